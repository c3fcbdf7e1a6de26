// Vectors for the CPU kernels that are compiled once per instruction set (*_isa.cpp, LAIT_ISA names
// the set): GCC's vector types at the set's width. Everything here is internal to the including
// file and calls only always-inline functions from elsewhere, so that no two sets share code.
#pragma once
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <utility>

#include "kernels/bf16.h"

namespace lait::kernels {
namespace {

#if defined(LAIT_VECTOR)
constexpr int kVector = LAIT_VECTOR;  // to try another width on the same machine
#elif defined(__AVX512F__)
constexpr int kVector = 16;
#elif defined(__AVX2__)
constexpr int kVector = 8;
#else
constexpr int kVector = 4;
#endif
typedef float Vec __attribute__((vector_size(kVector * sizeof(float))));
typedef int32_t VecInt __attribute__((vector_size(kVector * sizeof(int32_t))));
typedef uint32_t VecUint __attribute__((vector_size(kVector * sizeof(uint32_t))));
typedef uint16_t VecHalf __attribute__((vector_size(kVector * sizeof(uint16_t))));

constexpr float kInfinity = __builtin_inff();

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// x - 0 is x for every x, so the compiler drops the subtraction.
inline Vec broadcast(float x) { return x - Vec{}; }

// Whether this set multiplies pairs of bfloat16 (simd_operand.h): AVX-512-BF16, or its model in
// plain vectors, for tests on a machine without it.
#if defined(__AVX512BF16__) || defined(LAIT_BF16_MODEL)
constexpr bool kMultipliesBf16 = true;
#else
constexpr bool kMultipliesBf16 = false;
#endif

// Denormal numbers as AVX-512-BF16 takes them: zeros.
inline Vec flushed(Vec x) {
  const VecUint bits = (VecUint)x;
  return (Vec)((bits & 0x7F800000u) == 0u ? bits & 0x80000000u : bits);
}

// Halves to words and back (their low halves). GCC 12 splits its own conversions of 512 bits; the
// masks avoid its false warning.
inline VecUint widened(VecHalf half) {
#if defined(__AVX512F__) && !defined(LAIT_VECTOR)
  return (VecUint)_mm512_maskz_cvtepu16_epi32(0xFFFF, (__m256i)half);
#else
  return __builtin_convertvector(half, VecUint);
#endif
}
inline VecHalf narrowed(VecUint words) {
#if defined(__AVX512F__) && !defined(LAIT_VECTOR)
  return (VecHalf)_mm512_maskz_cvtepi32_epi16(0xFFFF, (__m512i)words);
#else
  return __builtin_convertvector(words, VecHalf);
#endif
}

// Rounds to nearest even; a NaN stays NaN. AVX-512-BF16 flushes denormal numbers.
inline VecHalf round_to_bf16(Vec v) {
#if defined(__AVX512BF16__)
  return (VecHalf)_mm512_cvtneps_pbh((__m512)v);
#else
  const VecUint bits = (VecUint)(kMultipliesBf16 ? flushed(v) : v);
  const VecUint nearest = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16,
                quiet = (bits >> 16) | 0x40u;
  return narrowed(v == v ? nearest : quiet);
#endif
}

// kVector elements as float, from or to memory of any alignment.
inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline Vec load(const Bf16* p) {
  VecHalf half;
  __builtin_memcpy(&half, p, sizeof(half));
  return (Vec)(widened(half) << 16);
}
inline void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof(v)); }
inline void store(Bf16* p, Vec v) {
  const VecHalf half = round_to_bf16(v);
  __builtin_memcpy(p, &half, sizeof(half));
}

// 0, 1, 2, …
template <int... kLane>
inline VecInt lane_numbers(std::integer_sequence<int, kLane...>) {
  return VecInt{kLane...};
}
inline VecInt lane_numbers() { return lane_numbers(std::make_integer_sequence<int, kVector>{}); }

// x, rounded: keeps the compiler from fusing a product with the next addition.
inline Vec unfused(Vec x) {
#if defined(__FMA__) && !defined(LAIT_VECTOR)
  __asm__("" : "+v"(x));  // GCC 12 splits __builtin_assoc_barrier of a vector
#endif
  return x;
}

inline Vec maximum(Vec a, Vec b) { return a > b ? a : b; }

// One step of a transposition: swaps the S x S blocks off the diagonal.
template <int S, int... kLane>
inline void swap_blocks(Vec& a, Vec& b, std::integer_sequence<int, kLane...>) {
  const Vec upper = __builtin_shufflevector(a, b, ((kLane & S) ? kVector + kLane - S : kLane)...);
  b = __builtin_shufflevector(a, b, ((kLane & S) ? kVector + kLane : kLane + S)...);
  a = upper;
}
template <int S = 1>
inline void transpose(Vec (&rows)[kVector]) {
#pragma GCC unroll 16
  for (int i = 0; i < kVector; ++i) {
    if ((i & S) == 0)
      swap_blocks<S>(rows[i], rows[i + S], std::make_integer_sequence<int, kVector>{});
  }
  if constexpr (2 * S < kVector) transpose<2 * S>(rows);
}

// Sums the lanes of each of kVector rows: lane i of the result is the sum of row i. Changes `rows`.
template <int S = 1>
inline Vec sum_lanes(Vec* rows) {
  if constexpr (S < kVector) {
    for (int i = 0; i < kVector / S; i += 2) {
      swap_blocks<S>(rows[i], rows[i + 1], std::make_integer_sequence<int, kVector>{});
      rows[i / 2] = rows[i] + rows[i + 1];
    }
    return sum_lanes<2 * S>(rows);
  } else {
    return rows[0];
  }
}
// Lane i of the result is lane i ^ S of v.
template <int S, int... kLane>
inline Vec swapped(Vec v, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, v, (kLane ^ S)...);
}
template <int S = kVector / 2>
inline float max_of_lanes(Vec v) {
  if constexpr (S > 0) {
    return max_of_lanes<S / 2>(
        maximum(v, swapped<S>(v, std::make_integer_sequence<int, kVector>{})));
  } else {
    return v[0];
  }
}

// Bit i is whether lane i of a comparison's result is true.
inline uint32_t lanes_of(VecInt is) {
#if defined(__AVX512F__) && !defined(LAIT_VECTOR)
  return _mm512_movepi32_mask((__m512i)is);
#elif defined(__AVX2__) && !defined(LAIT_VECTOR)
  return static_cast<uint32_t>(_mm256_movemask_ps((__m256)is));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kVector; ++i) bits |= static_cast<uint32_t>(is[i] & 1) << i;
  return bits;
#endif
}

// Whether every lane is at most `limit`; a NaN is not.
inline bool all_at_most(Vec v, float limit) {
#if defined(__AVX512F__) && !defined(LAIT_VECTOR)
  return _mm512_cmp_ps_mask((__m512)v, (__m512)broadcast(limit), _CMP_NLE_UQ) == 0;
#elif defined(__AVX2__) && !defined(LAIT_VECTOR)
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)v, (__m256)broadcast(limit), _CMP_NLE_UQ)) == 0;
#else
  const VecInt is = v <= limit;
  int32_t all = -1;
  for (int i = 0; i < kVector; ++i) all &= is[i];
  return all != 0;
#endif
}

constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;

// e^x for x <= kMostExponent, -infinity included, within 2 ulp; exactly 0 below -87. (Cephes'
// polynomial.)
constexpr float kMostExponent = 80.f;
inline Vec exponential(Vec x) {
  constexpr float kLog2E = 1.44269504088896341f, kLeast = -87.f;
  // 1.5 * 2^23: adding it rounds to an integer in the low bits.
  constexpr float kRound = 12582912.f;
  constexpr int32_t kRoundBits = 0x4B400000;
  const VecInt is_zero = x < kLeast;  // the result of the lines below is discarded for such an x
  const Vec shifted = x * kLog2E + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (x - n * kLn2High) - n * kLn2Low;
  Vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.f);
  const Vec power = (Vec)(((VecInt)shifted + (127 - kRoundBits)) << 23);
  return is_zero ? Vec{} : p * power;
}

// log x for normal x >= 1, within 2 ulp. (Cephes' polynomial.)
inline Vec log_above_one(Vec x) {
  const VecInt bits = (VecInt)x;
  VecInt exponent = (bits >> 23) - 127;
  Vec mantissa = (Vec)((bits & 0x7FFFFF) | 0x3F800000);  // in [1, 2)
  const VecInt high = mantissa > 1.41421356f;
  mantissa = high ? mantissa * 0.5f : mantissa;
  exponent -= high;  // true is -1
  const Vec f = mantissa - 1.f, e = __builtin_convertvector(exponent, Vec), z = f * f;
  Vec p = f * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const Vec y = f * z * p + e * kLn2Low - 0.5f * z;
  return (f + y) + e * kLn2High;
}

}  // namespace
}  // namespace lait::kernels
