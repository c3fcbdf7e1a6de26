// kernels/reference/: plain loops, what every other implementation is tested against.
//
// The specification: the plain loops of segment_attention.h, serial, in double for every dtype.
// Calls in double run it too.
#include "kernels/segment_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/bf16.h"
#include "kernels/lexical_bias.h"
#include "kernels/position_bias.h"
#include "kernels/segment_attention_checks.h"

namespace lait::kernels::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double load(const void* data, int64_t i, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return static_cast<const float*>(data)[i];
    case DType::kBfloat16:
      return to_float(static_cast<const Bf16*>(data)[i]);
    case DType::kFloat64:
      return static_cast<const double*>(data)[i];
  }
  throw std::invalid_argument("segment_attention: unknown dtype");
}

void store(void* data, int64_t i, DType dtype, double value) {
  switch (dtype) {
    case DType::kFloat32:
      static_cast<float*>(data)[i] = static_cast<float>(value);
      return;
    case DType::kBfloat16:
      static_cast<Bf16*>(data)[i] = from_float<Bf16>(static_cast<float>(value));
      return;
    case DType::kFloat64:
      static_cast<double*>(data)[i] = value;
      return;
  }
}

// The dtype of lse and the biases: float for float and bfloat16.
DType accumulator(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

// One head of a tensor as doubles: (rows, D).
struct Matrix {
  int64_t dim;
  std::vector<double> values;
  Matrix(int64_t rows, int64_t dim) : dim(dim), values(static_cast<size_t>(rows * dim)) {}
  template <class Pointer>
  Matrix(const Rows<Pointer>& from, int64_t rows, int64_t dim, int64_t head, DType dtype)
      : Matrix(rows, dim) {
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t d = 0; d < dim; ++d)
        row(t)[d] = load(from.data, t * from.row_stride + head * from.head_stride + d, dtype);
    }
  }
  // The rows that the runs name, as contiguous keys: unit g's from row k_offsets[g] on.
  static Matrix from_runs(const SegmentAttentionParams& p, const void* KeySource::*data,
                          int64_t head_stride, int64_t head) {
    Matrix to(p.k_offsets[p.num_units], p.head_dim);
    for (int64_t u = 0; u < p.num_units; ++u) {
      int64_t t = p.k_offsets[u];
      for (int32_t r = p.run_offsets[u]; r < p.run_offsets[u + 1]; ++r) {
        const KeyRun& run = p.runs[r];
        const KeySource& source = p.sources[run.source];
        for (int64_t i = 0; i < run.length; ++i, ++t) {
          const int64_t from = run.offset + i * source.row_stride + head * head_stride;
          for (int64_t d = 0; d < p.head_dim; ++d)
            to.row(t)[d] = load(source.*data, from + d, p.dtype);
        }
      }
    }
    return to;
  }
  double* row(int64_t t) { return values.data() + t * dim; }
  const double* row(int64_t t) const { return values.data() + t * dim; }
  void write(const Rows<void*>& to, int64_t head, DType dtype) const {
    const auto rows = static_cast<int64_t>(values.size()) / dim;
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t d = 0; d < dim; ++d)
        store(to.data, t * to.row_stride + head * to.head_stride + d, dtype, row(t)[d]);
    }
  }
};

double dot(const double* a, const double* b, int64_t dim) {
  double sum = 0;
  for (int64_t d = 0; d < dim; ++d) sum += a[d] * b[d];
  return sum;
}

// to += factor * from
void add(double* to, double factor, const double* from, int64_t dim) {
  for (int64_t d = 0; d < dim; ++d) to[d] += factor * from[d];
}

// One query of one unit and head, and its terms with key j of the unit.
struct Query {
  const SegmentAttentionParams& p;
  int64_t unit, head, row;
  int32_t position() const {
    const int32_t m = p.q_offsets[unit + 1] - p.q_offsets[unit];
    return p.q_positions ? p.q_positions[row]
                         : static_cast<int32_t>(num_keys()) - m + static_cast<int32_t>(row) -
                               p.q_offsets[unit];
  }
  int64_t num_keys() const { return p.k_offsets[unit + 1] - p.k_offsets[unit]; }
  int64_t key_row(int64_t j) const { return p.k_offsets[unit] + j; }
  bool allowed(int64_t j) const { return !p.causal || j <= position(); }
  int64_t bias_index(int64_t j) const {
    const int32_t bucket = position_bucket(static_cast<int32_t>(j) - position(), p.bias.num_buckets,
                                           p.bias.max_distance, p.bias.bidirectional);
    return bucket * p.num_heads + head;
  }
  bool matches(int64_t j) const {
    return p.lexical.table &&
           words_match(p.lexical.q_words[row], p.lexical.k_words[p.k_offsets[unit] + j]);
  }
  double score(const Matrix& q, const Matrix& k, int64_t j) const {
    const double bias = p.bias.table ? load(p.bias.table, bias_index(j), accumulator(p.dtype)) : 0;
    const double lexical = matches(j) ? load(p.lexical.table, head, accumulator(p.dtype)) : 0;
    return p.scale * dot(q.row(row), k.row(key_row(j)), p.head_dim) + bias + lexical;
  }
  double dropout_factor(int64_t j) const {
    if (p.dropout.p == 0) return 1;
    const auto words = dropout_words(p.dropout, static_cast<uint32_t>(p.unit_ids[unit]),
                                     static_cast<uint32_t>(position()),
                                     static_cast<uint32_t>(j / 4), static_cast<uint32_t>(head));
    return words.word[j % 4] >= dropout_threshold(p.dropout.p)
               ? 1.0 / (1.0 - static_cast<double>(p.dropout.p))
               : 0.0;
  }
};

// body(query) for every row of every unit of a head.
template <class Body>
void for_each_query(const SegmentAttentionParams& p, int64_t head, const Body& body) {
  for (int64_t unit = 0; unit < p.num_units; ++unit) {
    for (int64_t row = p.q_offsets[unit]; row < p.q_offsets[unit + 1]; ++row)
      body(Query{p, unit, head, row});
  }
}

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  check_params(p);
  for (int64_t h = 0; h < p.num_heads; ++h) {
    const Matrix q(p.q, p.num_q_rows, p.head_dim, h, p.dtype);
    const Matrix k = p.runs ? Matrix::from_runs(p, &KeySource::k, p.k.head_stride, h)
                            : Matrix(p.k, p.num_k_rows, p.head_dim, h, p.dtype);
    const Matrix v = p.runs ? Matrix::from_runs(p, &KeySource::v, p.v.head_stride, h)
                            : Matrix(p.v, p.num_k_rows, p.head_dim, h, p.dtype);
    Matrix out(p.num_q_rows, p.head_dim);
    std::vector<double> lse(static_cast<size_t>(p.num_q_rows), -kInfinity), scores;
    for_each_query(p, h, [&](const Query& query) {
      scores.clear();
      double max = -kInfinity, sum = 0;
      for (int64_t j = 0; j < query.num_keys(); ++j) {
        scores.push_back(query.allowed(j) ? query.score(q, k, j) : -kInfinity);
        max = std::max(max, scores.back());
      }
      if (max == -kInfinity) return;
      for (double& s : scores) sum += s = std::exp(s - max);
      lse[static_cast<size_t>(query.row)] = max + std::log(sum);
      for (int64_t j = 0; j < query.num_keys(); ++j) {
        if (!query.allowed(j)) continue;
        add(out.row(query.row), scores[static_cast<size_t>(j)] / sum * query.dropout_factor(j),
            v.row(query.key_row(j)), p.head_dim);
      }
    });
    out.write(p.out, h, p.dtype);
    for (int64_t t = 0; p.lse && t < p.num_q_rows; ++t) {
      store(p.lse, h * p.num_q_rows + t, accumulator(p.dtype), lse[static_cast<size_t>(t)]);
    }
  }
}

void segment_attention_backward(const SegmentAttentionGradParams& g) {
  check_grad_params(g);
  const SegmentAttentionParams& p = g.forward;
  const int64_t dim = p.head_dim;
  std::vector<double> dbias(p.bias.table ? static_cast<size_t>(p.bias.num_buckets * p.num_heads)
                                         : 0);
  std::vector<double> dlexical(p.lexical.table ? static_cast<size_t>(p.num_heads) : 0);
  for (int64_t h = 0; h < p.num_heads; ++h) {
    const Matrix q(p.q, p.num_q_rows, dim, h, p.dtype), k(p.k, p.num_k_rows, dim, h, p.dtype);
    const Matrix v(p.v, p.num_k_rows, dim, h, p.dtype);
    const Matrix dout(g.dout, p.num_q_rows, dim, h, p.dtype);
    Matrix dq(p.num_q_rows, dim), dk(p.num_k_rows, dim), dv(p.num_k_rows, dim);
    for_each_query(p, h, [&](const Query& query) {
      const int64_t row = query.row;
      const double lse = load(p.lse, h * p.num_q_rows + row, accumulator(p.dtype));
      if (lse == -kInfinity) return;
      struct Pair {
        double probability, factor, dp;
      };
      std::vector<Pair> pairs(static_cast<size_t>(query.num_keys()));
      // delta is the sum over j of p dp: out . dout, up to the rounding of out.
      double sum = 0, delta = 0;
      for (int64_t j = 0; j < query.num_keys(); ++j) {
        if (!query.allowed(j)) continue;
        const double factor = query.dropout_factor(j);
        const Pair pair{std::exp(query.score(q, k, j) - lse), factor,
                        dot(dout.row(row), v.row(query.key_row(j)), dim) * factor};
        sum += pair.probability;  // 1, up to the rounding of lse
        delta += pair.probability * pair.dp;
        pairs[static_cast<size_t>(j)] = pair;
      }
      delta /= sum;
      for (int64_t j = 0; j < query.num_keys(); ++j) {
        if (!query.allowed(j)) continue;
        const Pair& pair = pairs[static_cast<size_t>(j)];
        const double probability = pair.probability / sum;
        const int64_t key = query.key_row(j);
        add(dv.row(key), probability * pair.factor, dout.row(row), dim);
        const double ds = probability * (pair.dp - delta);
        if (p.bias.table) dbias[static_cast<size_t>(query.bias_index(j))] += ds;
        if (query.matches(j)) dlexical[static_cast<size_t>(h)] += ds;
        add(dq.row(row), p.scale * ds, k.row(key), dim);
        add(dk.row(key), p.scale * ds, q.row(row), dim);
      }
    });
    dq.write(g.dq, h, p.dtype);
    dk.write(g.dk, h, p.dtype);
    dv.write(g.dv, h, p.dtype);
  }
  auto write = [&](void* to, const std::vector<double>& sums) {
    for (size_t i = 0; to && i < sums.size(); ++i)
      store(to, static_cast<int64_t>(i), accumulator(p.dtype), sums[i]);
  };
  write(g.bias_grad, dbias);
  write(g.lexical_grad, dlexical);
}

}  // namespace lait::kernels::reference
