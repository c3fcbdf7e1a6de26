// The backward pass of segment attention on the CPU, float and bfloat16, compiled once per
// instruction set (LAIT_ISA names it). Tasks and blocks are the forward's; S and P are recomputed:
//   S = Q Kt     P = e^(S - lse)     dP = dO Vt     dS = P (dP - delta),  delta = sum of P dP over
//   the row
//   dV += P' dO     dK += dS' Q     dQ = dS K                                     (' transposed)
// The rows of P are summed again and divided by the sum, which removes the rounding of lse. Where
// bfloat16 is multiplied in pairs, P and dS are rounded to it. Equals
// reference::segment_attention_backward.
#include "kernels/cpu/segment_attention_matches.h"
#include "kernels/cpu/segment_attention_prefetch.h"
#include "kernels/cpu/segment_attention_scores.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kBiasParts = 16;  // parts of the units whose bias gradients are summed separately

// Where the gradients of a head's biases are added; null: there is no such bias, or its gradient is
// not wanted.
struct BiasGradients {
  float* position = nullptr;  // (num_buckets)
  float* lexical = nullptr;   // one number
};

// A block of queries in the backward pass: rows [begin, begin + rows) of the unit.
template <class O>
struct Block {
  int64_t begin, rows;
  float* scores;                // (kQueryBlock, row) S, then P times dropout's factors, see `down`
  float* ds;                    // (kQueryBlock, row) dP, then dS, see `down`
  float* kept;                  // (kQueryBlock, row) may be `scores`: where P goes
  typename O::Scalar* ds_rows;  // (kQueryBlock, row) dS as a left operand; floats: ds itself
  BiasGradients gradients;

  // What softmax_backward leaves in `kept` and `ds`: steps down the queries, (rows / kDepth rounded
  // up, row), a zero row after an odd number of rows.
  const typename O::Scalar* down(const float* from) const {
    return reinterpret_cast<const typename O::Scalar*>(from);
  }
};

// Turns S and dP into P and dS.
template <class O>
void softmax_backward(const SegmentAttentionParams& p, const Task& t, const Diagonals& diagonals,
                      const Matches& matches, const float* lse, const Block<O>& b) {
  RowSums sums(b.rows), products(b.rows);
  alignas(64) float factor[kRowsPadded], delta[kRowsPadded];
  for (int64_t i = 0; i < b.rows; ++i) {
    float* row = b.scores + i * t.row;
    float* gradient = b.ds + i * t.row;
    float* kept = b.kept + i * t.row;
    const float* biases = p.bias.table ? diagonals.row(b.begin + i) : nullptr;
    const int64_t visible = visible_keys(p, t, b.begin + i);
    const float scale = finish_scores(p.scale, biases, visible, t.padded, row);
    const float shift = visible == 0 ? 0.f : lse[b.begin + i];
    Vec sum{}, product{};
    if (p.dropout.p > 0) {
      dropout_row(p, t, b.begin + i).factors(t.padded, [&](int64_t j, Vec keep) {
        const Vec e = exponential(score(row + j, scale) - shift), g = load(gradient + j) * keep;
        store(row + j, e);
        store(kept + j, e * keep);
        store(gradient + j, g);
        sum += e;
        product += e * g;
      });
    } else {
      for (int64_t j = 0; j < t.padded; j += kVector) {
        const Vec e = exponential(score(row + j, scale) - shift);
        store(row + j, e);
        sum += e;
        product += e * load(gradient + j);
      }
    }
    sums.lanes[i] = sum;
    products.lanes[i] = product;
  }
  for (int64_t i = 0; i < b.rows; i += kVector) {
    const Vec sum = sums.take(i), inverse = sum == 0.f ? Vec{} : 1.f / sum;
    store(factor + i, inverse);
    store(delta + i, products.take(i) * inverse);
  }
  for (int64_t i = 0; b.gradients.lexical && i < b.rows; ++i) {
    float sum = 0;
    matches.for_each(b.begin + i, [&](int64_t j) {
      const int64_t at = i * t.row + j;
      sum += b.scores[at] * factor[i] * (b.ds[at] - delta[i]);
    });
    *b.gradients.lexical += sum;
  }
  using Scalar = typename O::Scalar;
  for (int64_t i = 0; i < b.rows; i += O::kDepth) {
    // Steps of kDepth rows are as long as one row of floats; they overwrite what has been read.
    auto* p_down = reinterpret_cast<Scalar*>(b.kept + i / O::kDepth * t.row);
    auto* ds_down = reinterpret_cast<Scalar*>(b.ds + i / O::kDepth * t.row);
    for (int64_t j = 0; j < t.padded; j += kVector) {
      Vec kept[2] = {}, ds[2] = {};
#pragma GCC unroll 2
      for (int64_t r = 0; r < O::kDepth; ++r) {
        if (r > 0 && i + r >= b.rows) break;
        const int64_t at = (i + r) * t.row + j;
        kept[r] = load(b.kept + at) * factor[i + r];
        ds[r] = load(b.scores + at) * factor[i + r] * (load(b.ds + at) - delta[i + r]);
        if (O::kDepth > 1) store(b.ds_rows + at, ds[r]);
        if (b.gradients.position) {
          float* to = diagonals.gradient_row(b.begin + i + r) + j;
          store(to, load(to) + ds[r]);
        }
      }
      O::store_down(p_down + j * O::kDepth, kept[0], kept[1]);
      O::store_down(ds_down + j * O::kDepth, ds[0], ds[1]);
    }
  }
}

template <class T>
void backward_task(const SegmentAttentionGradParams& g, const Task& t,
                   const BiasGradients& gradients) {
  using O = OperandOf<T>;
  using Scalar = typename O::Scalar;
  const SegmentAttentionParams& p = g.forward;
  const int64_t dim = p.head_dim;
  if (t.m == 0 || t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) zero_row<T>(g.dq, t.q_begin + i, t.head, dim);
    for (int64_t j = 0; j < t.n; ++j) {
      zero_row<T>(g.dk, t.k_begin + j, t.head, dim);
      zero_row<T>(g.dv, t.k_begin + j, t.head, dim);
    }
    return;
  }
  // With a bias gradient the next task is the same head of the next unit.
  const bool prefetches = !gradients.position && !gradients.lexical;
  if (prefetches && t.unit + 1 < p.num_units)
    prefetch_next_unit<T>(p, t, KeysInOrder<T>(p, t.unit + 1, nullptr));
  Diagonals diagonals(p, t);
  Matches matches(p, t);
  Pieces pieces(5 * t.padded * dim + kQueryBlock * (3 * dim + 4 * t.row) + 2 * diagonals.size() +
                matches.size());
  Scalar* kt = pieces.take<O>(t.padded * dim);
  Scalar* vt = pieces.take<O>(t.padded * dim);
  Scalar* k_down = pieces.take<O>(t.padded * dim);
  float* dk = pieces.take(t.n * dim);
  float* dv = pieces.take(t.n * dim);
  Scalar* q_down = pieces.take<O>(kQueryBlock * dim);
  Scalar* dout_down = pieces.take<O>(kQueryBlock * dim);
  float* dq = pieces.take(kQueryBlock * dim);
  Block<O> b{};
  b.scores = pieces.take(kQueryBlock * t.row);
  b.ds = pieces.take(kQueryBlock * t.row);
  b.kept = p.dropout.p > 0 ? pieces.take(kQueryBlock * t.row) : b.scores;
  b.ds_rows = O::kDepth > 1 ? pieces.take<O>(kQueryBlock * t.row) : reinterpret_cast<Scalar*>(b.ds);
  b.gradients = gradients;
  if (diagonals.size() > 0) diagonals.fill(pieces.take(diagonals.size()));
  if (gradients.position) diagonals.clear(pieces.take(diagonals.size()));
  matches.find(pieces.take(matches.size()));
  const KeysInOrder<T> keys(p, t.unit, nullptr);
  load_transposed<O, T>(keys.keys(t.head), t, dim, kt);
  load_transposed<O, T>(keys.values(t.head), t, dim, vt);
  load_down<O>(keys.keys(t.head), t.n, dim, k_down);
  const float* lse = static_cast<const float*>(p.lse) + t.head * p.num_q_rows + t.q_begin;
  for_each_query_block(t, [&](int64_t begin, int64_t rows) {
    b.begin = begin;
    b.rows = rows;
    const auto q = load_left<O, T>(p.q, t.q_begin + begin, rows, t.head, dim, q_down);
    const auto dout = load_left<O, T>(g.dout, t.q_begin + begin, rows, t.head, dim, dout_down);
    if (O::kDepth > 1) {
      load_down<O>(rows_from<T>(p.q, t.q_begin + begin, t.head), rows, dim, q_down);
      load_down<O>(rows_from<T>(g.dout, t.q_begin + begin, t.head), rows, dim, dout_down);
    }
    multiply_keys<O>(t, rows, dim, q, kt, b.scores);
    matches.add_to(begin, rows, b.scores);
    multiply_keys<O>(t, rows, dim, dout, vt, b.ds);
    if (prefetches) prefetch_next_head<T>(p, t, keys, begin, rows);
    softmax_backward(p, t, diagonals, matches, lse, b);
    auto add_transposed = [&](const float* a, const Scalar* down, float* to) {
      const Product<O> product{t.n,       dim / kVector,   (rows + O::kDepth - 1) / O::kDepth,
                               b.down(a), O::kDepth,       t.row * O::kDepth,
                               down,      dim * O::kDepth, to,
                               dim};
      begin == 0 ? multiply<false>(product) : multiply<true>(product);
    };
    add_transposed(b.kept, dout_down, dv);
    add_transposed(b.ds, q_down, dk);
    multiply_values<O>(t, rows, dim, {b.ds_rows, t.row}, k_down, dim * O::kDepth, dq);
    for (int64_t i = 0; i < rows; ++i)
      store_row<T>(g.dq, t.q_begin + begin + i, t.head, dim, dq + i * dim, p.scale);
  });
  for (int64_t j = 0; j < t.n; ++j) {
    store_row<T>(g.dk, t.k_begin + j, t.head, dim, dk + j * dim, p.scale);
    store_row<T>(g.dv, t.k_begin + j, t.head, dim, dv + j * dim, 1.f);
  }
  if (gradients.position) diagonals.add_gradients(gradients.position);
}

// for_each_task with gradients of biases: body(task, its head's). The units are cut into parts by
// work, in a way that does not depend on the threads; each part and head is summed in order, then
// the parts are.
template <class Body>
void for_each_task_with_bias(const SegmentAttentionGradParams& g, const Body& body) {
  const SegmentAttentionParams& p = g.forward;
  const int64_t total = all_units_work(p), heads = p.num_heads;
  const int64_t buckets = g.bias_grad ? p.bias.num_buckets : 0, size = buckets + 1;
  float* sums = call_workspace(static_cast<size_t>(kBiasParts * heads * size));
  for (int64_t i = 0; i < kBiasParts * heads * size; ++i) sums[i] = 0;
  parallel_for(p.parallel, 0, kBiasParts * heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t part = item / heads, head = item % heads;
      float* to = sums + item * size;
      const BiasGradients gradients{g.bias_grad ? to : nullptr,
                                    g.lexical_grad ? to + buckets : nullptr};
      int64_t at = 0;
      for (int64_t u = 0; u < p.num_units; ++u) {
        if (at * kBiasParts / total == part) body(make_task(p, u, head), gradients);
        at += unit_work(p, u);
      }
    }
  });
  auto sum_of_parts = [&](int64_t head, int64_t i) {
    float sum = 0;
    for (int64_t part = 0; part < kBiasParts; ++part) sum += sums[(part * heads + head) * size + i];
    return sum;
  };
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t b = 0; b < buckets; ++b)
      static_cast<float*>(g.bias_grad)[b * heads + h] = sum_of_parts(h, b);
    if (g.lexical_grad) static_cast<float*>(g.lexical_grad)[h] = sum_of_parts(h, buckets);
  }
}

template <class T>
void backward(const SegmentAttentionGradParams& g) {
  const SegmentAttentionParams& p = g.forward;
  if (g.bias_grad || g.lexical_grad) {
    for_each_task_with_bias(g, [&](const Task& t, const BiasGradients& gradients) {
      backward_task<T>(g, t, gradients);
    });
  } else {
    for_each_task(p, [&](const Task& t) { backward_task<T>(g, t, {}); });
  }
  for_each_dead_row(p.q_offsets, p.num_units, p.num_q_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) zero_row<T>(g.dq, row, h, p.head_dim);
  });
  for_each_dead_row(p.k_offsets, p.num_units, p.num_k_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) {
      zero_row<T>(g.dk, row, h, p.head_dim);
      zero_row<T>(g.dv, row, h, p.head_dim);
    }
  });
}

}  // namespace

void segment_attention_backward(const SegmentAttentionGradParams& g) {
  g.forward.dtype == DType::kBfloat16 ? backward<Bf16>(g) : backward<float>(g);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
