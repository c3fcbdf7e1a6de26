// Segment attention on the CPU, float and bfloat16, compiled once per instruction set (LAIT_ISA names it).
//
// A task is one unit and head: nothing is computed outside its (m, n) pairs, and its result depends on nothing else. The
// unit's keys and values are converted to float once; queries go through in blocks of kQueryBlock rows, and three kinds of
// small products (simd.h) do the rest:
//   forward   S = Q Kt          P = softmax S     O  = P V
//   backward  S = Q Kt          P = e^(S - lse)   dP = dO Vt     dS = P (dP - delta)
//             dV += P' dO       dK += dS' Q       dQ = dS K                (' transposed)
// Equals reference::segment_attention_*.
#include <cmath>
#include <limits>

#include "kernels/bf16.h"
#include "kernels/cpu_dispatch.h"
#include "kernels/position_bias.h"
#include "kernels/simd.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kQueryBlock = 32;
constexpr int64_t kTaskPairs = 64;  // a task's fixed cost, in pairs; also the least work of a thread is 16 tasks

constexpr int64_t round_up(int64_t n) { return (n + 2 * kVector - 1) / (2 * kVector) * (2 * kVector); }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// One unit and head of a call.
struct Task {
  int64_t unit, head;
  int64_t q_begin, m;  // rows of queries
  int64_t k_begin, n;  // rows of keys
  int64_t padded;      // n rounded up to two vectors
};

Task make_task(const SegmentAttentionParams& p, int64_t unit, int64_t head) {
  const int64_t m = p.q_offsets[unit + 1] - p.q_offsets[unit], n = p.k_offsets[unit + 1] - p.k_offsets[unit];
  return {unit, head, p.q_offsets[unit], m, p.k_offsets[unit], n, round_up(n)};
}

int32_t query_position(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return p.q_positions ? p.q_positions[t.q_begin + i] : static_cast<int32_t>(t.n - t.m + i);
}

template <class T>
const T* element(const Rows<const void*>& rows, int64_t row, int64_t head) {
  return static_cast<const T*>(rows.data) + row * rows.row_stride + head * rows.head_stride;
}
template <class T>
T* element(const Rows<void*>& rows, int64_t row, int64_t head) {
  return static_cast<T*>(rows.data) + row * rows.row_stride + head * rows.head_stride;
}

// Rows [begin, begin + n) of one head as float, times scale: to[i * D + d].
template <class T>
void load_rows(const Rows<const void*>& rows, int64_t begin, int64_t n, int64_t head, int64_t dim, float scale, float* to) {
  for (int64_t i = 0; i < n; ++i) {
    const T* from = element<T>(rows, begin + i, head);
    for (int64_t d = 0; d < dim; ++d) to[i * dim + d] = to_float(from[d]) * scale;
  }
}

// Likewise transposed: to[d * padded + i], zeros for the padding.
template <class T>
void load_transposed(const Rows<const void*>& rows, const Task& t, int64_t dim, float* to) {
  for (int64_t i = 0; i < t.n; ++i) {
    const T* from = element<T>(rows, t.k_begin + i, t.head);
    for (int64_t d = 0; d < dim; ++d) to[d * t.padded + i] = to_float(from[d]);
  }
  for (int64_t d = 0; d < dim; ++d) {
    for (int64_t i = t.n; i < t.padded; ++i) to[d * t.padded + i] = 0;
  }
}

template <class T>
void store_row(const Rows<void*>& rows, int64_t row, int64_t head, int64_t dim, const float* from, float scale) {
  T* to = element<T>(rows, row, head);
  for (int64_t d = 0; d < dim; ++d) to[d] = from_float<T>(from[d] * scale);
}

template <class T>
void zero_row(const Rows<void*>& rows, int64_t row, int64_t head, int64_t dim) {
  T* to = element<T>(rows, row, head);
  for (int64_t d = 0; d < dim; ++d) to[d] = from_float<T>(0.f);
}

// Adds the bias to a row of scores, and minus infinity where the query may not look or there is no key.
void mask_and_bias(const SegmentAttentionParams& p, const Task& t, int64_t i, float* scores) {
  const int32_t position = query_position(p, t, i);
  if (p.bias.table) {
    for (int64_t j = 0; j < t.n; ++j) {
      scores[j] += p.bias.table[position_bucket(static_cast<int32_t>(j) - position, p.bias.num_buckets, p.bias.max_distance,
                                                p.bias.bidirectional) * p.num_heads + t.head];
    }
  }
  const int64_t visible = p.causal ? (position < 0 ? 0 : smaller(t.n, static_cast<int64_t>(position) + 1)) : t.n;
  for (int64_t j = visible; j < t.padded; ++j) scores[j] = -std::numeric_limits<float>::infinity();
}

// Multiplies a row over the keys by its dropout factors: 0 or 1 / (1 - p).
void apply_dropout(const SegmentAttentionParams& p, const Task& t, int64_t i, float* row) {
  const auto unit_id = static_cast<uint32_t>(p.unit_ids[t.unit]);
  const auto position = static_cast<uint32_t>(query_position(p, t, i));
  const uint32_t threshold = dropout_threshold(p.dropout.p);
  const auto scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(p.dropout.p)));
  for (int64_t block = 0; block * 4 < t.n; ++block) {
    const PhiloxWords words = dropout_words(p.dropout, unit_id, position, static_cast<uint32_t>(block), static_cast<uint32_t>(t.head));
    for (int64_t w = 0; w < 4; ++w) row[block * 4 + w] *= words.word[w] >= threshold ? scale : 0.f;
  }
}

// Softmax of a row of scores in place, not yet divided by its sum; returns sum and maximum.
struct Softmax {
  float sum, max;
};
Softmax exponentiate(const Task& t, float* scores) {
  Vec top = load(scores);
  for (int64_t j = kVector; j < t.padded; j += kVector) {
    const Vec x = load(scores + j);
    top = x > top ? x : top;
  }
  float max = top[0];
  for (int l = 1; l < kVector; ++l) max = top[l] > max ? top[l] : max;
  if (max == -std::numeric_limits<float>::infinity()) return {0, max};
  Vec sums{};
  for (int64_t j = 0; j < t.padded; j += kVector) {
    const Vec e = exp_negative(load(scores + j) - max);
    store(scores + j, e);
    sums += e;
  }
  float sum = 0;
  for (int l = 0; l < kVector; ++l) sum += sums[l];
  return {sum, max};
}

template <class T>
void forward_task(const SegmentAttentionParams& p, const Task& t) {
  const int64_t dim = p.head_dim;
  float* lse = p.lse ? static_cast<float*>(p.lse) + t.head * p.num_q_rows + t.q_begin : nullptr;
  if (t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) {
      zero_row<T>(p.out, t.q_begin + i, t.head, dim);
      if (lse) lse[i] = -std::numeric_limits<float>::infinity();
    }
    return;
  }
  float* kt = workspace(static_cast<size_t>(dim * t.padded + t.n * dim + kQueryBlock * (2 * dim + t.padded)));
  float* v = kt + dim * t.padded;
  float* q = v + t.n * dim;
  float* out = q + kQueryBlock * dim;
  float* scores = out + kQueryBlock * dim;
  load_transposed<T>(p.k, t, dim, kt);
  load_rows<T>(p.v, t.k_begin, t.n, t.head, dim, 1.f, v);
  for (int64_t begin = 0; begin < t.m; begin += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, t.m - begin);
    load_rows<T>(p.q, t.q_begin + begin, rows, t.head, dim, p.scale, q);
    multiply<false>(rows, t.padded, dim, q, dim, 1, kt, t.padded, scores, t.padded);
    float factor[kQueryBlock];
    for (int64_t i = 0; i < rows; ++i) {
      float* row = scores + i * t.padded;
      mask_and_bias(p, t, begin + i, row);
      const Softmax softmax = exponentiate(t, row);
      const bool sees_none = softmax.sum == 0;
      if (sees_none) {
        for (int64_t j = 0; j < t.padded; ++j) row[j] = 0;
      }
      factor[i] = sees_none ? 0.f : 1.f / softmax.sum;
      if (lse) lse[begin + i] = sees_none ? softmax.max : softmax.max + std::log(softmax.sum);
      if (p.dropout.p > 0) apply_dropout(p, t, begin + i, row);
    }
    multiply<false>(rows, dim, t.n, scores, t.padded, 1, v, dim, out, dim);
    for (int64_t i = 0; i < rows; ++i) store_row<T>(p.out, t.q_begin + begin + i, t.head, dim, out + i * dim, factor[i]);
  }
}

// bias_grad (num_buckets, H) gets the head's column added; null: no bias.
template <class T>
void backward_task(const SegmentAttentionGradParams& g, const Task& t, float* bias_grad) {
  const SegmentAttentionParams& p = g.forward;
  const int64_t dim = p.head_dim;
  if (t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) zero_row<T>(g.dq, t.q_begin + i, t.head, dim);
    return;
  }
  float* kt = workspace(static_cast<size_t>(2 * dim * t.padded + 3 * t.n * dim + kQueryBlock * (3 * dim + 3 * t.padded)));
  float* vt = kt + dim * t.padded;
  float* k = vt + dim * t.padded;
  float* dk = k + t.n * dim;
  float* dv = dk + t.n * dim;
  float* q = dv + t.n * dim;
  float* dout = q + kQueryBlock * dim;
  float* dq = dout + kQueryBlock * dim;
  float* probability = dq + kQueryBlock * dim;
  float* dropped = probability + kQueryBlock * t.padded;
  float* ds = dropped + kQueryBlock * t.padded;
  load_transposed<T>(p.k, t, dim, kt);
  load_transposed<T>(p.v, t, dim, vt);
  load_rows<T>(p.k, t.k_begin, t.n, t.head, dim, 1.f, k);
  for (int64_t i = 0; i < t.n * dim; ++i) dk[i] = dv[i] = 0;
  const float* lse = static_cast<const float*>(p.lse) + t.head * p.num_q_rows + t.q_begin;
  for (int64_t begin = 0; begin < t.m; begin += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, t.m - begin);
    load_rows<T>(p.q, t.q_begin + begin, rows, t.head, dim, p.scale, q);
    load_rows<T>(g.dout, t.q_begin + begin, rows, t.head, dim, 1.f, dout);
    multiply<false>(rows, t.padded, dim, q, dim, 1, kt, t.padded, probability, t.padded);
    multiply<false>(rows, t.padded, dim, dout, dim, 1, vt, t.padded, ds, t.padded);
    for (int64_t i = 0; i < rows; ++i) {
      float* prob = probability + i * t.padded;
      float* drop = dropped + i * t.padded;
      float* grad = ds + i * t.padded;
      const T* out = element<T>(Rows<const void*>{p.out.data, p.out.row_stride, p.out.head_stride}, t.q_begin + begin + i, t.head);
      float delta = 0;
      for (int64_t d = 0; d < dim; ++d) delta += dout[i * dim + d] * to_float(out[d]);
      mask_and_bias(p, t, begin + i, prob);
      const float row_lse = lse[begin + i];
      const bool sees_none = row_lse == -std::numeric_limits<float>::infinity();
      for (int64_t j = 0; j < t.padded; j += kVector) {
        store(prob + j, sees_none ? Vec{} : exp_negative(load(prob + j) - row_lse));
        store(drop + j, load(prob + j));
      }
      if (p.dropout.p > 0) {  // the same mask on P (for dV) and on dP
        apply_dropout(p, t, begin + i, drop);
        apply_dropout(p, t, begin + i, grad);
      }
      for (int64_t j = 0; j < t.padded; j += kVector) store(grad + j, load(prob + j) * (load(grad + j) - delta));
      if (bias_grad) {
        const int32_t position = query_position(p, t, begin + i);
        for (int64_t j = 0; j < t.n; ++j) {
          bias_grad[position_bucket(static_cast<int32_t>(j) - position, p.bias.num_buckets, p.bias.max_distance,
                                    p.bias.bidirectional) * p.num_heads + t.head] += grad[j];
        }
      }
    }
    multiply<true>(t.n, dim, rows, dropped, 1, t.padded, dout, dim, dv, dim);
    multiply<true>(t.n, dim, rows, ds, 1, t.padded, q, dim, dk, dim);
    multiply<false>(rows, dim, t.n, ds, t.padded, 1, k, dim, dq, dim);
    for (int64_t i = 0; i < rows; ++i) store_row<T>(g.dq, t.q_begin + begin + i, t.head, dim, dq + i * dim, p.scale);
  }
  for (int64_t j = 0; j < t.n; ++j) {
    store_row<T>(g.dk, t.k_begin + j, t.head, dim, dk + j * dim, 1.f);
    store_row<T>(g.dv, t.k_begin + j, t.head, dim, dv + j * dim, 1.f);
  }
}

// Runs every task once, spread over threads by work (pairs), not by count. A task belongs to the range it begins in.
template <class Body>
void for_each_task(const SegmentAttentionParams& p, const Body& body) {
  auto work = [&](int64_t u) { return static_cast<int64_t>(p.q_offsets[u + 1] - p.q_offsets[u]) * (p.k_offsets[u + 1] - p.k_offsets[u]) + kTaskPairs; };
  int64_t total = 0;
  for (int64_t u = 0; u < p.num_units; ++u) total += work(u) * p.num_heads;
  parallel_for(p.parallel, 0, total, 16 * kTaskPairs, [&](int64_t begin, int64_t end) {
    int64_t at = 0;
    for (int64_t u = 0; u < p.num_units && at < end; ++u) {
      const int64_t unit_work = work(u);
      if (at + unit_work * p.num_heads <= begin) {
        at += unit_work * p.num_heads;
        continue;
      }
      for (int64_t h = 0; h < p.num_heads; ++h, at += unit_work) {
        if (at >= begin && at < end) body(make_task(p, u, h));
      }
    }
  });
}

// Zeros the rows outside every unit.
template <class T>
void zero_dead_rows(const SegmentAttentionParams& p, const Rows<void*>& rows, const int32_t* offsets, int64_t num_rows) {
  for (int64_t row = 0; row < num_rows; ++row) {
    if (row == offsets[0]) row = offsets[p.num_units];
    if (row >= num_rows) break;
    for (int64_t h = 0; h < p.num_heads; ++h) zero_row<T>(rows, row, h, p.head_dim);
  }
}

template <class T>
void forward(const SegmentAttentionParams& p) {
  for_each_task(p, [&](const Task& t) { forward_task<T>(p, t); });
  zero_dead_rows<T>(p, p.out, p.q_offsets, p.num_q_rows);
  if (p.lse == nullptr) return;
  for (int64_t h = 0; h < p.num_heads; ++h) {
    float* lse = static_cast<float*>(p.lse) + h * p.num_q_rows;
    for (int64_t i = 0; i < p.q_offsets[0]; ++i) lse[i] = -std::numeric_limits<float>::infinity();
    for (int64_t i = p.q_offsets[p.num_units]; i < p.num_q_rows; ++i) lse[i] = -std::numeric_limits<float>::infinity();
  }
}

template <class T>
void backward(const SegmentAttentionGradParams& g) {
  const SegmentAttentionParams& p = g.forward;
  auto* bias_grad = p.bias.table ? static_cast<float*>(g.bias_grad) : nullptr;
  if (bias_grad) {
    // A head's column of the bias gradient is summed by one thread in the order of the units: any number of threads gives
    // the same bits.
    for (int64_t i = 0; i < p.bias.num_buckets * p.num_heads; ++i) bias_grad[i] = 0;
    parallel_for(p.parallel, 0, p.num_heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t h = begin; h < end; ++h) {
        for (int64_t u = 0; u < p.num_units; ++u) backward_task<T>(g, make_task(p, u, h), bias_grad);
      }
    });
  } else {
    for_each_task(p, [&](const Task& t) { backward_task<T>(g, t, nullptr); });
  }
  zero_dead_rows<T>(p, g.dq, p.q_offsets, p.num_q_rows);
  zero_dead_rows<T>(p, g.dk, p.k_offsets, p.num_k_rows);
  zero_dead_rows<T>(p, g.dv, p.k_offsets, p.num_k_rows);
}

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  p.dtype == DType::kBfloat16 ? forward<Bf16>(p) : forward<float>(p);
}

void segment_attention_backward(const SegmentAttentionGradParams& g) {
  g.forward.dtype == DType::kBfloat16 ? backward<Bf16>(g) : backward<float>(g);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
