// The softmax of the forward pass on the CPU, on blocks of rows of scores. Internal to
// segment_attention_forward_isa.cpp.
#pragma once
#include "kernels/cpu/segment_attention_scores.h"

namespace lait::kernels {
namespace {

// What is subtracted from a row's scores before the exponentials, which must not overflow. It is
// the first key's score if no other is much larger, so that most rows need no search for their
// maximum; otherwise the maximum; 0 if that is minus infinity. `most`: the scores' maximum, lane by
// lane.
float reference_score(float first, Vec most) {
  // A difference of scores is rounded at its own size, so a difference of 8 costs the largest
  // weight four ulp more than a difference of 0.
  constexpr float kNear = 8;
  static_assert(kNear <= kMostExponent);
  if (all_at_most(most - first, kNear)) return first;
  const float max = max_of_lanes(most);
  return max == -kInfinity ? 0.f : max;
}

// The result of a row's exponentials: their sum in the lanes, and what was subtracted from the
// scores.
struct RowSum {
  Vec lanes;
  float shift;
};

// Turns a row of products S into e^(score - reference) in the common case: no bias, no dropout, few
// keys (the whole row in registers). `to` may be the row.
template <int kVectors, class Scalar>
RowSum few_exponentials(const float* row, float scale, int64_t visible, Scalar* to) {
  Vec s[kVectors];
  for (int v = 0; v < kVectors; ++v) s[v] = score(row + v * kVector, scale);
  constexpr int kLast = kVectors - 1;
  s[kLast] = lane_numbers() < static_cast<int32_t>(visible - kLast * kVector)
                 ? s[kLast]
                 : broadcast(-kInfinity);
  Vec most = s[0];
  for (int v = 1; v < kVectors; ++v) most = maximum(most, s[v]);
  const float shift = reference_score(s[0][0], most);
  Vec sum{};
  for (int v = 0; v < kVectors; ++v) {
    const Vec e = exponential(s[v] - shift);
    store(to + v * kVector, e);
    sum += e;
  }
  return {sum, shift};
}

// The same for every case: times dropout's factors (the sum is without them), with a bias, with
// causality.
template <class Scalar>
RowSum exponentials(const SegmentAttentionParams& p, const Task& t, const float* biases, int64_t i,
                    float* row, Scalar* to) {
  const float scale = finish_scores(p.scale, biases, visible_keys(p, t, i), t.padded, row);
  Vec most = score(row, scale);
  for (int64_t j = kVector; j < t.padded; j += kVector) most = maximum(most, score(row + j, scale));
  const float shift = reference_score(row[0] * scale, most);
  Vec sum{};
  auto make = [&](int64_t j, Vec keep) {
    const Vec e = exponential(score(row + j, scale) - shift);
    store(to + j, e * keep);
    sum += e;
  };
  if (p.dropout.p > 0) {
    dropout_row(p, t, i).factors(t.padded, make);
  } else {
    for (int64_t j = 0; j < t.padded; j += kVector) make(j, broadcast(1.f));
  }
  return {sum, shift};
}

// Turns a block's scores (rows, padded) into P, not yet divided, in place, as a left operand.
// factor[i] is 1 / row i's sum (0 where the query sees no key), lse[i] its log-sum-exp.
template <class O>
Left<O> softmax(const SegmentAttentionParams& p, const Task& t, const Diagonals& diagonals,
                int64_t begin, int64_t rows, float* scores, float* factor, float* lse) {
  using Scalar = typename O::Scalar;
  RowSums sums(rows);
  alignas(64) float shifts[kRowsPadded];
  store(shifts + rows / kVector * kVector, Vec{});
  auto each_row = [&](const auto& make) {
    for (int64_t i = 0; i < rows; ++i) {
      float* row = scores + i * t.row;
      const RowSum made = make(i, row, reinterpret_cast<Scalar*>(row));
      sums.lanes[i] = made.lanes;
      shifts[i] = made.shift;
    }
  };
  const bool plain = p.bias.table == nullptr && p.dropout.p == 0 && !p.causal;
  auto few = [&](auto vectors) {
    each_row([&](int64_t, float* row, Scalar* to) {
      return few_exponentials<decltype(vectors)::value>(row, p.scale, t.n, to);
    });
  };
  switch (plain ? t.padded / kVector : 0) {
    case 1:
      few(std::integral_constant<int, 1>());
      break;
    case 2:
      few(std::integral_constant<int, 2>());
      break;
    case 3:
      few(std::integral_constant<int, 3>());
      break;
    case 4:
      few(std::integral_constant<int, 4>());
      break;
    default:
      each_row([&](int64_t i, float* row, Scalar* to) {
        const float* biases = p.bias.table ? diagonals.row(begin + i) : nullptr;
        return exponentials(p, t, biases, begin + i, row, to);
      });
  }
  for (int64_t i = 0; i < rows; i += kVector) {
    const Vec sum = sums.take(i);
    const VecInt sees_none = sum == 0.f;
    store(factor + i, sees_none ? Vec{} : 1.f / sum);
    store(lse + i, sees_none ? broadcast(-kInfinity) : load(shifts + i) + log_above_one(sum));
  }
  return {reinterpret_cast<Scalar*>(scores), t.row * O::kDepth};
}

}  // namespace
}  // namespace lait::kernels
