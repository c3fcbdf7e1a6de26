// The model of AVX-512-BF16's instructions, with which machines without them test the kernels'
// code: it must behave as documented and, where the CPU has the instructions, give their bits.
#define LAIT_VECTOR 16
#define LAIT_BF16_MODEL
#pragma GCC diagnostic ignored "-Wpsabi"
#include <gtest/gtest.h>
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/cpu/simd_operand.h"

namespace lait::kernels {
namespace {

uint16_t bits_of(float x) { return from_float<Bf16>(x).bits; }

float add_products(float sum, float first_a, float first_b, float second_a, float second_b) {
  auto pair = [](float first, float second) {
    return bits_of(first) | uint32_t{bits_of(second)} << 16;
  };
  const VecUint a = VecUint{} + pair(first_a, second_a), b = VecUint{} + pair(first_b, second_b);
  return Pairs::multiply_add(broadcast(sum), a, b)[3];
}

TEST(Bf16Pairs, ProductsAreAddedSecondFirst) {
  EXPECT_EQ(add_products(1, 2, 3, 5, 7), 42);
  EXPECT_EQ(add_products(0x1p24f, -0x1p24f, 1, 1, 1), 0);  // 2^24 + 1 rounds to 2^24
  EXPECT_EQ(add_products(0x1p24f, 1, 1, -0x1p24f, 1), 1);
}

TEST(Bf16Pairs, DenormalNumbersAreZeros) {
  EXPECT_EQ(add_products(0, 0x1p-127f, 0x1p100f, 0, 0), 0);
  EXPECT_EQ(add_products(0, 0x1p-100f, 0x1p-40f, 0, 0), 0);
  EXPECT_EQ(add_products(0, 0x1p-86f, 0x1p-40f, 0, 0), 0x1p-126f);
}

// 133 * 205 = 27265 units of 2^-152, below the smallest normal float: half an ulp of the sum plus
// one unit, which rounding the product by itself would lose.
TEST(Bf16Pairs, ProductsAreNotRounded) {
  EXPECT_EQ(add_products(0x1p-121f, 0, 0, 133 * 0x1p-76f, 205 * 0x1p-76f),
            0x1p-121f + (27265 / 256 + 1) * 0x1p-144f);
}

TEST(Bf16Pairs, RoundsToNearestEven) {
  auto round = [](float x) { return round_to_bf16(broadcast(x))[5]; };
  EXPECT_EQ(round(1 + 0x1p-8f), bits_of(1));
  EXPECT_EQ(round(1 + 3 * 0x1p-8f), bits_of(1 + 0x1p-6f));
  EXPECT_EQ(round(-0x1p-130f), 0x8000);
  EXPECT_EQ(round(std::numeric_limits<float>::infinity()), 0x7F80);
  EXPECT_GT(round(std::numeric_limits<float>::quiet_NaN()) & 0x7FFF, 0x7F80);
}

TEST(Bf16Pairs, RowsBecomePairs) {
  Bf16 first[kVector], second[kVector], down[2 * kVector];
  for (int i = 0; i < kVector; ++i)
    first[i].bits = static_cast<uint16_t>(i), second[i].bits = static_cast<uint16_t>(100 + i);
  Pairs::store_down(down, first, second);
  for (int i = 0; i < kVector; ++i) {
    EXPECT_EQ(down[2 * i].bits, i);
    EXPECT_EQ(down[2 * i + 1].bits, 100 + i);
  }
  Pairs::store_down(down, first, nullptr);
  for (int i = 0; i < kVector; ++i) {
    EXPECT_EQ(down[2 * i].bits, i);
    EXPECT_EQ(down[2 * i + 1].bits, 0);
  }
}

__attribute__((target("avx512f,avx512bf16,avx512vl"))) void instructions(
    const float* sum, const uint32_t* a, const uint32_t* b, float* dot, uint16_t* rounded) {
  const __m512 s = _mm512_loadu_ps(sum);
  const __m512 d =
      _mm512_dpbf16_ps(s, (__m512bh)_mm512_loadu_si512(a), (__m512bh)_mm512_loadu_si512(b));
  _mm512_storeu_ps(dot, d);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(rounded), (__m256i)_mm512_cvtneps_pbh(s));
}

TEST(Bf16Pairs, ModelHasTheInstructionsBits) {
  if (!__builtin_cpu_supports("avx512bf16")) GTEST_SKIP() << "this CPU has no AVX-512-BF16";
  std::mt19937_64 random(20);
  for (int trial = 0; trial < 10000; ++trial) {
    // Every second trial uses denormal to large numbers, never so large that infinities are added.
    const bool wide = trial % 2 == 0;
    auto number = [&] {
      const double mantissa = 1 + std::ldexp(static_cast<double>(random() >> 32), -32);
      const int exponent = static_cast<int>(random() % (wide ? 180 : 8)) - (wide ? 130 : 4);
      return static_cast<float>(std::ldexp(mantissa, exponent));
    };
    float sum[16], dot[16];
    uint32_t a[16], b[16];
    uint16_t rounded[16];
    for (int i = 0; i < 16; ++i) {
      sum[i] = number() * (random() % 2 ? 1.f : -1.f);
      a[i] = bits_of(number()) | uint32_t{bits_of(-number())} << 16;
      b[i] = bits_of(number()) | uint32_t{bits_of(number())} << 16;
    }
    instructions(sum, a, b, dot, rounded);
    VecUint left, right;
    std::memcpy(&left, a, sizeof(left));
    std::memcpy(&right, b, sizeof(right));
    const Vec expected = Pairs::multiply_add(load(sum), left, right);
    const VecHalf half = round_to_bf16(load(sum));
    EXPECT_EQ(std::memcmp(dot, &expected, sizeof(dot)), 0) << "trial " << trial;
    EXPECT_EQ(std::memcmp(rounded, &half, sizeof(rounded)), 0) << "trial " << trial;
  }
}

}  // namespace
}  // namespace lait::kernels
