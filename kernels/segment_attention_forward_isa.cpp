// The forward pass of segment attention on the CPU, float and bfloat16, compiled once per
// instruction set (LAIT_ISA names it).
//
// A task is one unit and head: nothing is computed outside its (m, n) pairs, and its result depends
// on nothing else. The unit's keys and values are brought into blocks of kKeyBlock keys counted
// from the unit's start; its queries go through in blocks of at most kQueryBlock rows that keep
// their scores over all n keys, so no rescaling is needed. Small products (simd_multiply.h) do the
// rest:
//   S = Q Kt          P = softmax S          O = P V
// Every element is summed in the order of keys or dims, whatever the blocks of queries. Where
// bfloat16 is multiplied in pairs, P is rounded to it before its row is divided by its sum. Equals
// reference::segment_attention_forward.
#include "kernels/segment_attention_scores.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kFewQueries = 4;  // so few do not repay a copy of the values

// Turns a block's scores (rows, padded) into P, not yet divided: e^(score - maximum), times
// dropout's factors, written over them as a left operand. factor[i] is 1 / row i's sum (0 where the
// query sees nothing), lse[i] its log-sum-exp.
template <class O>
Left<O> softmax(const SegmentAttentionParams& p, const Task& t, const Diagonals& diagonals,
                int64_t begin, int64_t rows, float* scores, float* factor, float* lse) {
  alignas(64) Vec lanes[kRowsPadded] = {};
  alignas(64) float max[kRowsPadded];
  const Left<O> left{reinterpret_cast<typename O::Scalar*>(scores), t.row * O::kDepth};
  float scale = 1;
  for (int64_t i = 0; i < rows; ++i) {
    float* row = scores + i * t.row;
    const float* biases = p.bias.table ? diagonals.row(begin + i) : nullptr;
    scale = finish_scores(p.scale, biases, visible_keys(p, t, begin + i), t.padded, row);
    lanes[i] = load(row);
    for (int64_t j = kVector; j < t.padded; j += kVector)
      lanes[i] = maximum(lanes[i], load(row + j));
  }
  for (int64_t i = 0; i < rows; i += kVector) store(max + i, max_lanes(lanes + i) * scale);
  auto make_row = [&](int64_t i, const auto& for_each_column) {
    const float* row = scores + i * t.row;
    auto* to = reinterpret_cast<typename O::Scalar*>(scores + i * t.row);
    const float shift = max[i] == -kInfinity ? 0.f : max[i];
    Vec sum{};
    for_each_column([&](int64_t j, Vec keep) {
      const Vec e = exp_negative(score(row + j, scale) - shift);
      store(to + j, e * keep);
      sum += e;
    });
    lanes[i] = sum;
  };
  if (p.dropout.p > 0) {
    for (int64_t i = 0; i < rows; ++i) {
      make_row(i, [&](const auto& use) { dropout_row(p, t, begin + i).factors(t.padded, use); });
    }
  } else {
    for (int64_t i = 0; i < rows; ++i) {
      make_row(i, [&](const auto& use) {
        for (int64_t j = 0; j < t.padded; j += kVector) use(j, broadcast(1.f));
      });
    }
  }
  for (int64_t i = 0; i < rows; i += kVector) {
    const Vec sum = sum_lanes(lanes + i), top = load(max + i);
    const VecInt sees_none = sum == 0.f;
    store(factor + i, sees_none ? Vec{} : 1.f / sum);
    store(lse + i, sees_none ? broadcast(-kInfinity) : top + log_above_one(sum));
  }
  return left;
}

template <class T>
void forward_task(const SegmentAttentionParams& p, const Task& t) {
  using O = OperandOf<T>;
  using Scalar = typename O::Scalar;
  const int64_t dim = p.head_dim;
  float* lse = p.lse ? static_cast<float*>(p.lse) + t.head * p.num_q_rows + t.q_begin : nullptr;
  if (t.m == 0) return;
  if (t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) {
      zero_row<T>(p.out, t.q_begin + i, t.head, dim);
      if (lse) lse[i] = -kInfinity;
    }
    return;
  }
  Diagonals diagonals(p, t);
  Pieces pieces(2 * t.padded * dim + kQueryBlock * (2 * dim + t.row) + diagonals.size());
  Scalar* kt = pieces.take<O>(t.padded * dim);
  load_transposed<O, T>(p.k, t, dim, kt);
  const Scalar* v = nullptr;
  int64_t v_step = dim * O::kDepth;
  if (std::is_same_v<T, float> && t.m <= kFewQueries) {
    v = element<Scalar>(p.v, t.k_begin, t.head);
    v_step = p.v.row_stride;
  } else {
    Scalar* copy = pieces.take<O>(t.padded * dim);
    load_down<O, T>(p.v, t.k_begin, t.n, t.head, dim, copy);
    v = copy;
  }
  Scalar* q_copy = pieces.take<O>(kQueryBlock * dim);
  float* out = pieces.take(kQueryBlock * dim);
  float* scores = pieces.take(kQueryBlock * t.row);
  if (diagonals.size() > 0) diagonals.fill(pieces.take(diagonals.size()));
  for_each_query_block(t, [&](int64_t begin, int64_t rows) {
    alignas(64) float factor[kRowsPadded], row_lse[kRowsPadded];
    const auto q = load_left<O, T>(p.q, t.q_begin + begin, rows, t.head, dim, q_copy);
    multiply_keys<O>(t, rows, dim, q, kt, scores);
    const auto probabilities = softmax<O>(p, t, diagonals, begin, rows, scores, factor, row_lse);
    multiply_values<O>(t, rows, dim, probabilities, v, v_step, out);
    for (int64_t i = 0; i < rows; ++i) {
      store_row<T>(p.out, t.q_begin + begin + i, t.head, dim, out + i * dim, factor[i]);
      if (lse) lse[begin + i] = row_lse[i];
    }
  });
}

template <class T>
void forward(const SegmentAttentionParams& p) {
  for_each_task(p, [&](const Task& t) { forward_task<T>(p, t); });
  for_each_dead_row(p.q_offsets, p.num_units, p.num_q_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) {
      zero_row<T>(p.out, row, h, p.head_dim);
      if (p.lse) static_cast<float*>(p.lse)[h * p.num_q_rows + row] = -kInfinity;
    }
  });
}

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  p.dtype == DType::kBfloat16 ? forward<Bf16>(p) : forward<float>(p);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
