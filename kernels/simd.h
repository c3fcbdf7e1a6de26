// Vectors for the CPU kernels that are compiled once per instruction set (*_isa.cpp, LAIT_ISA names the set): GCC's vector
// types at the set's width. Everything is internal to the including file, so that no two sets share a function.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

namespace lait::kernels {
namespace {

#if defined(__AVX512F__)
constexpr int kVector = 16;
#elif defined(__AVX2__)
constexpr int kVector = 8;
#else
constexpr int kVector = 4;
#endif
typedef float Vec __attribute__((vector_size(kVector * sizeof(float))));
typedef int32_t VecInt __attribute__((vector_size(kVector * sizeof(int32_t))));

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof(v)); }
inline Vec broadcast(float x) { return Vec{} + x; }

// e^x for x <= 0 (finite or -infinity), error below 2 ulp; exactly 0 below -87.
inline Vec exp_negative(Vec x) {
  constexpr float kLog2E = 1.44269504088896341f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const VecInt is_zero = x < broadcast(-87.f);
  x = is_zero ? broadcast(-87.f) : x;
  const Vec shifted = x * kLog2E + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (x - n * kLn2High) - n * kLn2Low;
  Vec p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.f;
  const Vec power = std::bit_cast<Vec>((std::bit_cast<VecInt>(shifted) - std::bit_cast<int32_t>(kRound) + 127) << 23);
  return is_zero ? Vec{} : p * power;
}

// C (M, N) = A (M, K) B (K, N), or C += with kAccumulate; element (i, k) of A at a[i * a_row + k * a_column], so a
// transposed A costs nothing. N is a multiple of 2 vectors. Each element is one chain over k: its bits do not depend on M.
template <int kRows, bool kAccumulate>
inline void multiply_rows(int64_t N, int64_t K, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t ldb,
                          float* c, int64_t ldc) {
  for (int64_t n = 0; n < N; n += 2 * kVector) {
    Vec sum[kRows][2];
    for (int i = 0; i < kRows; ++i) {
      sum[i][0] = kAccumulate ? load(c + i * ldc + n) : Vec{};
      sum[i][1] = kAccumulate ? load(c + i * ldc + n + kVector) : Vec{};
    }
    for (int64_t k = 0; k < K; ++k) {
      const Vec b0 = load(b + k * ldb + n), b1 = load(b + k * ldb + n + kVector);
      for (int i = 0; i < kRows; ++i) {
        const Vec x = broadcast(a[i * a_row + k * a_column]);
        sum[i][0] += x * b0;
        sum[i][1] += x * b1;
      }
    }
    for (int i = 0; i < kRows; ++i) {
      store(c + i * ldc + n, sum[i][0]);
      store(c + i * ldc + n + kVector, sum[i][1]);
    }
  }
}

template <bool kAccumulate>
inline void multiply(int64_t M, int64_t N, int64_t K, const float* a, int64_t a_row, int64_t a_column, const float* b,
                     int64_t ldb, float* c, int64_t ldc) {
  int64_t i = 0;
  for (; i + 4 <= M; i += 4) multiply_rows<4, kAccumulate>(N, K, a + i * a_row, a_row, a_column, b, ldb, c + i * ldc, ldc);
  for (; i < M; ++i) multiply_rows<1, kAccumulate>(N, K, a + i * a_row, a_row, a_column, b, ldb, c + i * ldc, ldc);
}

}  // namespace
}  // namespace lait::kernels
