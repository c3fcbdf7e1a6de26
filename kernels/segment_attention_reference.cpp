// The specification: the plain loops of segment_attention.h, in double whatever the dtype, serial.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/bf16.h"
#include "kernels/position_bias.h"
#include "kernels/segment_attention.h"
#include "kernels/segment_attention_checks.h"

namespace lait::kernels::reference {
namespace {

double load(const void* data, int64_t i, DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return static_cast<const float*>(data)[i];
    case DType::kBfloat16: return to_float(static_cast<const Bf16*>(data)[i]);
    case DType::kFloat64: return static_cast<const double*>(data)[i];
  }
  throw std::invalid_argument("segment_attention: unknown dtype");
}

void store(void* data, int64_t i, DType dtype, double value) {
  switch (dtype) {
    case DType::kFloat32: static_cast<float*>(data)[i] = static_cast<float>(value); return;
    case DType::kBfloat16: static_cast<Bf16*>(data)[i] = from_float<Bf16>(static_cast<float>(value)); return;
    case DType::kFloat64: static_cast<double*>(data)[i] = value; return;
  }
}

// What float and bfloat16 keep in float: lse and the bias.
DType accumulator(DType dtype) { return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32; }

// One query of one unit and head: its keys' probabilities before dropout, and their dropout factors.
class Query {
 public:
  Query(const SegmentAttentionParams& p, int64_t unit, int64_t head, int64_t row) : p_(p), unit_(unit), head_(head), row_(row) {
    const int64_t m = p.q_offsets[unit + 1] - p.q_offsets[unit], n = num_keys();
    position_ = p.q_positions ? p.q_positions[row] : static_cast<int32_t>(n - m + row - p.q_offsets[unit]);
  }
  int64_t num_keys() const { return p_.k_offsets[unit_ + 1] - p_.k_offsets[unit_]; }
  int64_t key_row(int64_t j) const { return p_.k_offsets[unit_] + j; }
  bool allowed(int64_t j) const { return !p_.causal || j <= position_; }
  int32_t bucket(int64_t j) const {
    return position_bucket(static_cast<int32_t>(j) - position_, p_.bias.num_buckets, p_.bias.max_distance, p_.bias.bidirectional);
  }
  double score(int64_t j) const {
    double dot = 0;
    for (int64_t d = 0; d < p_.head_dim; ++d) {
      dot += load(p_.q.data, row_ * p_.q.row_stride + head_ * p_.q.head_stride + d, p_.dtype) *
             load(p_.k.data, key_row(j) * p_.k.row_stride + head_ * p_.k.head_stride + d, p_.dtype);
    }
    const double bias = p_.bias.table ? load(p_.bias.table, bucket(j) * p_.num_heads + head_, accumulator(p_.dtype)) : 0;
    return p_.scale * dot + bias;
  }
  double dropout_factor(int64_t j) const {
    if (p_.dropout.p == 0) return 1;
    const auto words = dropout_words(p_.dropout, static_cast<uint32_t>(p_.unit_ids[unit_]), static_cast<uint32_t>(position_),
                                     static_cast<uint32_t>(j / 4), static_cast<uint32_t>(head_));
    return words.word[j % 4] >= dropout_threshold(p_.dropout.p) ? 1.0 / (1.0 - static_cast<double>(p_.dropout.p)) : 0.0;
  }

 private:
  const SegmentAttentionParams& p_;
  int64_t unit_, head_, row_;
  int32_t position_;
};

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  check_params(p);
  for (int64_t h = 0; h < p.num_heads; ++h) {
    for (int64_t row = 0; row < p.num_q_rows; ++row) {
      for (int64_t d = 0; d < p.head_dim; ++d) store(p.out.data, row * p.out.row_stride + h * p.out.head_stride + d, p.dtype, 0);
      if (p.lse) store(p.lse, h * p.num_q_rows + row, accumulator(p.dtype), -std::numeric_limits<double>::infinity());
    }
    for (int64_t g = 0; g < p.num_units; ++g) {
      for (int64_t row = p.q_offsets[g]; row < p.q_offsets[g + 1]; ++row) {
        const Query query(p, g, h, row);
        std::vector<double> scores;
        double max = -std::numeric_limits<double>::infinity();
        for (int64_t j = 0; j < query.num_keys(); ++j) {
          scores.push_back(query.allowed(j) ? query.score(j) : -std::numeric_limits<double>::infinity());
          max = std::max(max, scores.back());
        }
        if (!std::isfinite(max)) continue;
        double sum = 0;
        for (double& s : scores) sum += s = std::exp(s - max);
        if (p.lse) store(p.lse, h * p.num_q_rows + row, accumulator(p.dtype), max + std::log(sum));
        for (int64_t d = 0; d < p.head_dim; ++d) {
          double out = 0;
          for (int64_t j = 0; j < query.num_keys(); ++j) {
            if (scores[j] == 0) continue;
            out += scores[j] / sum * query.dropout_factor(j) *
                   load(p.v.data, query.key_row(j) * p.v.row_stride + h * p.v.head_stride + d, p.dtype);
          }
          store(p.out.data, row * p.out.row_stride + h * p.out.head_stride + d, p.dtype, out);
        }
      }
    }
  }
}

void segment_attention_backward(const SegmentAttentionGradParams& g) {
  const SegmentAttentionParams& p = g.forward;
  check_params(p);
  const int64_t dim = p.head_dim;
  std::vector<double> dk(p.num_k_rows * dim), dv(p.num_k_rows * dim), dq(dim);
  std::vector<double> dbias(p.bias.table ? p.bias.num_buckets * p.num_heads : 0);
  for (int64_t h = 0; h < p.num_heads; ++h) {
    std::fill(dk.begin(), dk.end(), 0);
    std::fill(dv.begin(), dv.end(), 0);
    for (int64_t row = 0; row < p.num_q_rows; ++row) {
      for (int64_t d = 0; d < dim; ++d) store(g.dq.data, row * g.dq.row_stride + h * g.dq.head_stride + d, p.dtype, 0);
    }
    for (int64_t u = 0; u < p.num_units; ++u) {
      for (int64_t row = p.q_offsets[u]; row < p.q_offsets[u + 1]; ++row) {
        const double lse = load(p.lse, h * p.num_q_rows + row, accumulator(p.dtype));
        if (!std::isfinite(lse)) continue;
        const Query query(p, u, h, row);
        auto dout = [&](int64_t d) { return load(g.dout.data, row * g.dout.row_stride + h * g.dout.head_stride + d, p.dtype); };
        double delta = 0;
        for (int64_t d = 0; d < dim; ++d) delta += dout(d) * load(p.out.data, row * p.out.row_stride + h * p.out.head_stride + d, p.dtype);
        std::fill(dq.begin(), dq.end(), 0);
        for (int64_t j = 0; j < query.num_keys(); ++j) {
          if (!query.allowed(j)) continue;
          const double probability = std::exp(query.score(j) - lse), factor = query.dropout_factor(j);
          const int64_t key = query.key_row(j);
          double dp = 0;
          for (int64_t d = 0; d < dim; ++d) {
            dv[key * dim + d] += probability * factor * dout(d);
            dp += dout(d) * load(p.v.data, key * p.v.row_stride + h * p.v.head_stride + d, p.dtype);
          }
          const double ds = probability * (dp * factor - delta);
          if (p.bias.table) dbias[query.bucket(j) * p.num_heads + h] += ds;
          for (int64_t d = 0; d < dim; ++d) {
            dq[d] += p.scale * ds * load(p.k.data, key * p.k.row_stride + h * p.k.head_stride + d, p.dtype);
            dk[key * dim + d] += p.scale * ds * load(p.q.data, row * p.q.row_stride + h * p.q.head_stride + d, p.dtype);
          }
        }
        for (int64_t d = 0; d < dim; ++d) store(g.dq.data, row * g.dq.row_stride + h * g.dq.head_stride + d, p.dtype, dq[d]);
      }
    }
    for (int64_t key = 0; key < p.num_k_rows; ++key) {
      for (int64_t d = 0; d < dim; ++d) {
        store(g.dk.data, key * g.dk.row_stride + h * g.dk.head_stride + d, p.dtype, dk[key * dim + d]);
        store(g.dv.data, key * g.dv.row_stride + h * g.dv.head_stride + d, p.dtype, dv[key * dim + d]);
      }
    }
  }
  if (g.bias_grad) {
    for (size_t i = 0; i < dbias.size(); ++i) store(g.bias_grad, static_cast<int64_t>(i), accumulator(p.dtype), dbias[i]);
  }
}

}  // namespace lait::kernels::reference
