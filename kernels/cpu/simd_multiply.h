// The one small matrix product of the CPU kernels, in vectors: C = A B or C += A B, summed in
// float.
#pragma once
#include "kernels/cpu/simd_operand.h"

namespace lait::kernels {
namespace {

// The sizes of a product and its operands, in scalars of the operand O but for `depth`, which
// counts steps of it. Step k of row i of A lies at a[i * a_row + k * a_step], so a transposed A
// costs nothing; step k of the columns of B at b[k * b_step], one column after another; rows of C
// are contiguous. `vectors` counts the columns of B and C in vectors.
template <class O>
struct Product {
  int64_t rows, vectors, depth;
  const typename O::Scalar* a;
  int64_t a_row, a_step;
  const typename O::Scalar* b;
  int64_t b_step;
  float* c;
  int64_t c_row;
};

// Each element of AB is one chain of multiply-adds over k in order, so its bits do not depend on
// the tile or on `rows`.
template <class O, int kRows, int kVectors, bool kAccumulate>
[[gnu::noinline]] void multiply_tile(int64_t depth, const typename O::Scalar* a, int64_t a_row,
                                     int64_t a_step, const typename O::Scalar* b, int64_t b_step,
                                     float* c, int64_t c_row) {
  Vec sum[kRows][kVectors] = {};
  for (int64_t k = 0; k < depth; ++k, a += a_step, b += b_step) {
    typename O::Steps columns[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) columns[v] = O::load_steps(b + v * kVector * O::kDepth);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const typename O::Steps x = O::repeat_step(a + i * a_row);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[i][v] = O::multiply_add(sum[i][v], x, columns[v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      float* to = c + i * c_row + v * kVector;
      store(to, kAccumulate ? load(to) + sum[i][v] : sum[i][v]);
    }
  }
}

// Rows of a tile of that many vectors: the sums fill the registers (32 with AVX-512, else 16).
constexpr int tile_rows(int vectors) {
  if (kVector == 16) return 8;
  return vectors == 3 ? 4 : vectors == 2 ? 6 : 8;
}

template <int kVectors, bool kAccumulate, class O>
inline void multiply_columns(const Product<O>& p, int64_t column) {
  constexpr int kMost = tile_rows(kVectors);
  const int64_t tiles = (p.rows + kMost - 1) / kMost;
  int64_t row = 0;
  // Rows are spread evenly over tiles: a last tile of one row would wait for its sums.
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t end = p.rows * (t + 1) / tiles;
    const auto* a = p.a + row * p.a_row;
    const auto* b = p.b + column * O::kDepth;
    float* c = p.c + row * p.c_row + column;
#define LAIT_TILE(n)                                                                            \
  case n:                                                                                       \
    if constexpr (n <= kMost)                                                                   \
      multiply_tile<O, n, kVectors, kAccumulate>(p.depth, a, p.a_row, p.a_step, b, p.b_step, c, \
                                                 p.c_row);                                      \
    break;
    switch (end - row) {
      LAIT_TILE(1)
      LAIT_TILE(2) LAIT_TILE(3) LAIT_TILE(4) LAIT_TILE(5) LAIT_TILE(6) LAIT_TILE(7) LAIT_TILE(8)
    }
#undef LAIT_TILE
    row = end;
  }
}

template <bool kAccumulate, class O>
inline void multiply(const Product<O>& p) {
  for (int64_t column = 0, left = p.vectors; left > 0;) {
    const int64_t taken = left == 4 ? 2 : smaller(left, 3);
    if (taken == 3) multiply_columns<3, kAccumulate>(p, column);
    if (taken == 2) multiply_columns<2, kAccumulate>(p, column);
    if (taken == 1) multiply_columns<1, kAccumulate>(p, column);
    column += taken * kVector;
    left -= taken;
  }
}

}  // namespace
}  // namespace lait::kernels
