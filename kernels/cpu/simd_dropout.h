// philox.h in vectors: kVector counters at a time, with decisions in the order of the columns.
#pragma once
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "kernels/cpu/simd.h"
#include "kernels/philox.h"

namespace lait::kernels {
namespace {

// The 64-bit products of the even lanes.
inline VecUint multiply_even(VecUint a, VecUint b) {
#if defined(__AVX512F__) && !defined(LAIT_VECTOR)
  // The intrinsic without a mask draws a false warning from GCC 12.
  return (VecUint)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && !defined(LAIT_VECTOR)
  return (VecUint)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__) && !defined(LAIT_VECTOR)
  return (VecUint)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  VecUint product{};
  for (int lane = 0; lane < kVector; lane += 2) {
    const uint64_t x = uint64_t{a[lane]} * b[lane];
    product[lane] = static_cast<uint32_t>(x);
    product[lane + 1] = static_cast<uint32_t>(x >> 32);
  }
  return product;
#endif
}

template <int... kLane>
inline void multiply_wide(VecUint x, uint32_t factor, VecUint& high, VecUint& low,
                          std::integer_sequence<int, kLane...>) {
  const VecUint factors = VecUint{} + factor;
  const VecUint even = multiply_even(x, factors);
  const VecUint odd = multiply_even(__builtin_shufflevector(x, x, (kLane | 1)...), factors);
  high = __builtin_shufflevector(even, odd, ((kLane & 1) ? kVector + kLane : kLane + 1)...);
  low = __builtin_shufflevector(even, odd, ((kLane & 1) ? kVector + kLane - 1 : kLane)...);
}

struct VecWords {
  VecUint word[4];
};

// philox() of counters that differ in c2 alone, so the first two rounds need half the
// multiplications.
inline VecWords philox(uint32_t c0, uint32_t c1, VecUint c2, uint32_t c3, uint32_t k0,
                       uint32_t k1) {
  constexpr auto kLanes = std::make_integer_sequence<int, kVector>{};
  constexpr uint32_t kFactor0 = 0xD2511F53u, kFactor1 = 0xCD9E8D57u, kWeyl0 = 0x9E3779B9u,
                     kWeyl1 = 0xBB67AE85u;
  const uint64_t first0 = uint64_t{kFactor0} * c0;
  VecUint high0, low0, high1, low1;
  multiply_wide(c2, kFactor1, high1, low1, kLanes);
  const uint64_t first1 = uint64_t{kFactor1} * (static_cast<uint32_t>(first0 >> 32) ^ c3 ^ k1);
  VecUint v0 = high1 ^ (c1 ^ k0), v1 = low1, v2, v3;
  k0 += kWeyl0;
  k1 += kWeyl1;
  multiply_wide(v0, kFactor0, high0, low0, kLanes);
  v0 = v1 ^ (static_cast<uint32_t>(first1 >> 32) ^ k0);
  v1 = VecUint{} + static_cast<uint32_t>(first1);
  v2 = high0 ^ (static_cast<uint32_t>(first0) ^ k1);
  v3 = low0;
#pragma GCC unroll 8
  for (int round = 2; round < 10; ++round) {
    k0 += kWeyl0;
    k1 += kWeyl1;
    multiply_wide(v0, kFactor0, high0, low0, kLanes);
    multiply_wide(v2, kFactor1, high1, low1, kLanes);
    v0 = high1 ^ v1 ^ k0;
    v1 = low1;
    v2 = high0 ^ v3 ^ k1;
    v3 = low0;
  }
  return {{v0, v1, v2, v3}};
}

// In each quarter of four lanes, the 4 x 4 words transposed.
template <int... kLane>
inline void transpose_quarters(VecWords& w, std::integer_sequence<int, kLane...>) {
  // Lane 4 q + r of the low half takes element r / 2 of word r % 2; the high half takes the next
  // two.
  auto pairs = [](VecUint a, VecUint b, auto low) {
    constexpr int kFirst = decltype(low)::value ? 0 : 2;
    return __builtin_shufflevector(
        a, b, ((kLane & 1) ? kVector : 0) + (kLane & ~3) + (kLane & 3) / 2 + kFirst...);
  };
  auto halves = [](VecUint a, VecUint b, auto low) {
    constexpr int kFirst = decltype(low)::value ? 0 : 2;
    return __builtin_shufflevector(
        a, b, ((kLane & 2) ? kVector : 0) + (kLane & ~3) + (kLane & 1) + kFirst...);
  };
  constexpr std::true_type kLow;
  constexpr std::false_type kHigh;
  const VecUint low01 = pairs(w.word[0], w.word[1], kLow),
                high01 = pairs(w.word[0], w.word[1], kHigh);
  const VecUint low23 = pairs(w.word[2], w.word[3], kLow),
                high23 = pairs(w.word[2], w.word[3], kHigh);
  w = {{halves(low01, low23, kLow), halves(low01, low23, kHigh), halves(high01, high23, kLow),
        halves(high01, high23, kHigh)}};
}

// Lane l's block of four columns, counted from the first, such that transposed quarters come out in
// the columns' order.
template <int... kLane>
inline VecUint lane_blocks(std::integer_sequence<int, kLane...>) {
  return VecUint{static_cast<uint32_t>(kVector / 4 * (kLane % 4) + kLane / 4)...};
}

// The decisions of one row.
struct DropoutRow {
  Dropout dropout;
  uint32_t unit_id, row, head, threshold;
  float scale;  // of kept values

  DropoutRow(const Dropout& d, uint32_t unit_id, uint32_t row, uint32_t head)
      : dropout(d),
        unit_id(unit_id),
        row(row),
        head(head),
        threshold(dropout_threshold(d.p)),
        scale(static_cast<float>(1.0 / (1.0 - static_cast<double>(d.p)))) {}

  // Calls use(column, factors) for columns 0, kVector, … below `columns` (a multiple of kVector): 0
  // or scale.
  template <class Use>
  void factors(int64_t columns, const Use& use) const {
    constexpr auto kLanes = std::make_integer_sequence<int, kVector>{};
    for (int64_t column = 0; column < columns; column += 4 * kVector) {
      const VecUint blocks = lane_blocks(kLanes) + static_cast<uint32_t>(column / 4);
      VecWords words =
          philox(dropout.step, unit_id, (row << 16) | blocks,
                 (uint32_t{dropout.layer} << 24) | (head << 16) |
                     (static_cast<uint32_t>(dropout.site) << 8),
                 static_cast<uint32_t>(dropout.seed), static_cast<uint32_t>(dropout.seed >> 32));
      transpose_quarters(words, kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        if (column + i * kVector < columns)
          use(column + i * kVector, words.word[i] >= threshold ? broadcast(scale) : Vec{});
      }
    }
  }
};

}  // namespace
}  // namespace lait::kernels
