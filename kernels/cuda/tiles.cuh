// Tiles: the two products of attention, on rows in shared memory, in bf16 on tensor cores and in
// fp32 by FMA.
//
// A warp owns columns and streams rows. For queries as columns, S^T = K Q^T and out^T = V^T P^T;
// for keys as columns, S = Q K^T, dV^T = dO^T P, dK^T = Q^T dS. Owned columns cost multiples of 8,
// streamed rows 16 in the first product and 8 in the second: this wastes less work on pairs that
// are not visible than 16 owned rows would.
//   scores(rows, own)      a tile of 16 streamed rows x 8 owned columns, for each tile of the warp
//   accumulate(rows, p)    accumulators (D channels x owned columns) += rows^T p
// All three of scores, p and accumulators have the layout of an mma accumulator (ptx.cuh), in both
// dtypes, so that the steps between the products (softmax, dropout, bias, masks) are written once.
#pragma once
#include "kernels/cuda/ptx.cuh"
#include "kernels/work_list.h"

namespace lait::kernels::cuda {

constexpr int kWarps = kBlockWarps;
constexpr int kThreads = 32 * kWarps;
constexpr int kStep = 16;  // streamed rows of a tile
constexpr int own_rows(int head_dim) { return rows_of_warp(head_dim); }
// Tiles of 8 columns that a warp owns.
constexpr int own_tiles(int head_dim) { return own_rows(head_dim) / 8; }
// Rows of shared memory for each warp of a team, in each array.
constexpr int warp_rows(int head_dim) {
  return own_rows(head_dim) > kStep ? own_rows(head_dim) : kStep;
}

// Rows of D elements in shared memory, swizzled in pieces of 16 bytes: the same piece of any 8
// consecutive rows lies in 8 different bank groups, so matrix loads have no bank conflicts.
template <class T, int D>
struct SharedRows {
  static constexpr int kPieces = D * static_cast<int>(sizeof(T)) / 16;  // of a row
  static constexpr int kBytes = 16 * kPieces;
  static constexpr int kElements = 16 / static_cast<int>(sizeof(T));  // of a piece
  __device__ static Shared piece(Shared base, int row, int piece) {
    const int swizzled = kPieces >= 8 ? piece ^ (row & 7) : piece ^ ((row >> 1) & 3);
    return base + static_cast<Shared>(row * kBytes + swizzled * 16);
  }
};

// A warp's scratch for a tile of floats, 16 streamed rows x its columns; rows are padded by 8
// against bank conflicts.
constexpr int scratch_row(int head_dim) { return own_rows(head_dim) + 8; }
constexpr int scratch_bytes(int head_dim) { return 4 * kStep * scratch_row(head_dim); }

template <int D>
__device__ inline void write_tile(const float (&p)[own_tiles(D)][4], int tiles, float* scratch) {
  const int g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
  __syncwarp();
#pragma unroll
  for (int t = 0; t < own_tiles(D); ++t) {
    if (t >= tiles) continue;
#pragma unroll
    for (int e = 0; e < 4; ++e)
      scratch[(g + e / 2 * 8) * scratch_row(D) + 8 * t + 2 * c + e % 2] = p[t][e];
  }
  __syncwarp();
}

template <class T, int D>
struct TileMath;

template <int D>
struct TileMath<__nv_bfloat16, D> {
  using T = __nv_bfloat16;
  using Smem = SharedRows<T, D>;
  static constexpr int kTiles = own_tiles(D);
  static constexpr int kChannelTiles = D / 16;
  static constexpr int kScratchBytes = 0;  // of a warp, for `accumulate`
  using Accumulator = float[kChannelTiles][kTiles][4];

  struct Own {
    uint32_t b[kTiles][D / 16][2];
  };
  // The warp's columns: the rows of `base` from `row` on.
  __device__ static Own own(Shared base, int row, int tiles) {
    Own own;
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      if (t >= tiles) continue;
#pragma unroll
      for (int pair = 0; pair < D / 32; ++pair) {
        uint32_t r[4];
        load_matrices(r, Smem::piece(base, row + 8 * t + lane % 8, 4 * pair + lane / 8));
        own.b[t][2 * pair][0] = r[0];
        own.b[t][2 * pair][1] = r[1];
        own.b[t][2 * pair + 1][0] = r[2];
        own.b[t][2 * pair + 1][1] = r[3];
      }
    }
    return own;
  }
  __device__ static void scores(Shared rows, int row, const Own& own, int tiles,
                                float (&s)[kTiles][4]) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int t = 0; t < kTiles; ++t) s[t][0] = s[t][1] = s[t][2] = s[t][3] = 0;
#pragma unroll
    for (int k = 0; k < D / 16; ++k) {
      uint32_t a[4];
      load_matrices(a, Smem::piece(rows, row + lane % 16, 2 * k + lane / 16));
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        if (t < tiles) multiply_add(s[t], a, own.b[t][k][0], own.b[t][k][1]);
      }
    }
  }
  // `half`: only the first 8 rows count.
  __device__ static void accumulate(Shared rows, int row, bool half, const float (&p)[kTiles][4],
                                    int tiles, char*, Accumulator& acc) {
    const int lane = threadIdx.x % 32;
    uint32_t b[kTiles][2];
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      if (t >= tiles) continue;
      b[t][0] = transpose(pack_bf16(p[t][0], p[t][1]));
      if (!half) b[t][1] = transpose(pack_bf16(p[t][2], p[t][3]));
    }
#pragma unroll
    for (int m = 0; m < kChannelTiles; ++m) {
      uint32_t a[4];
      if (half) {
        load_two_matrices_transposed(a, Smem::piece(rows, row + lane % 8, 2 * m + (lane / 8) % 2));
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          if (t < tiles) multiply_add_half(acc[m][t], a, b[t][0]);
        }
      } else {
        load_matrices_transposed(
            a, Smem::piece(rows, row + lane / 16 * 8 + lane % 8, 2 * m + (lane / 8) % 2));
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          if (t < tiles) multiply_add(acc[m][t], a, b[t][0], b[t][1]);
        }
      }
    }
  }
  // Writes the accumulators, transposed, to the rows of `base` from `row` on.
  __device__ static void store(const Accumulator& acc, int tiles, Shared base, int row) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < kChannelTiles; ++m) {
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        if (t >= tiles) continue;
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const uint32_t x = transpose(pack_bf16(acc[m][t][2 * h], acc[m][t][2 * h + 1]));
          const Shared to = Smem::piece(base, row + 8 * t + lane / 4, 2 * m + h) + 4 * (lane % 4);
          asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(x) : "memory");
        }
      }
    }
  }
};

template <int D>
struct TileMath<float, D> {
  using T = float;
  using Smem = SharedRows<T, D>;
  static constexpr int kTiles = own_tiles(D);
  static constexpr int kChannelTiles = D / 16;
  static constexpr int kScratchBytes = scratch_bytes(D);
  using Accumulator = float[kChannelTiles][kTiles][4];

  struct Own {
    Shared base;
    int row;
  };
  __device__ static Own own(Shared base, int row, int) { return {base, row}; }
  __device__ static float4 load4(Shared from) {
    const uint4 x = load16(from);
    return {__uint_as_float(x.x), __uint_as_float(x.y), __uint_as_float(x.z), __uint_as_float(x.w)};
  }
  __device__ static float load1(Shared from) {
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(from) : "memory");
    return x;
  }
  __device__ static float dot4(const float4& a, const float4& b, float s) {
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, s))));
  }
  __device__ static void scores(Shared rows, int row, const Own& own, int tiles,
                                float (&s)[kTiles][4]) {
    const int g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
#pragma unroll
    for (int t = 0; t < kTiles; ++t) s[t][0] = s[t][1] = s[t][2] = s[t][3] = 0;
#pragma unroll 2
    for (int k = 0; k < Smem::kPieces; ++k) {
      const float4 a0 = load4(Smem::piece(rows, row + g, k)),
                   a1 = load4(Smem::piece(rows, row + g + 8, k));
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        if (t >= tiles) continue;
        const float4 b0 = load4(Smem::piece(own.base, own.row + 8 * t + 2 * c, k));
        const float4 b1 = load4(Smem::piece(own.base, own.row + 8 * t + 2 * c + 1, k));
        s[t][0] = dot4(a0, b0, s[t][0]);
        s[t][1] = dot4(a0, b1, s[t][1]);
        s[t][2] = dot4(a1, b0, s[t][2]);
        s[t][3] = dot4(a1, b1, s[t][3]);
      }
    }
  }
  // Every lane needs all rows of its columns: p goes through the warp's scratch.
  __device__ static void accumulate(Shared rows, int row, bool half, const float (&p)[kTiles][4],
                                    int tiles, char* scratch, Accumulator& acc) {
    const int g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
    float* shared = reinterpret_cast<float*>(scratch);
    write_tile<D>(p, tiles, shared);
    for (int r = 0; r < (half ? 8 : 16); ++r) {
#pragma unroll
      for (int m = 0; m < kChannelTiles; ++m) {
        const float a0 = load1(Smem::piece(rows, row + r, 4 * m + g / 4) + 4 * (g % 4));
        const float a1 = load1(Smem::piece(rows, row + r, 4 * m + 2 + g / 4) + 4 * (g % 4));
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          if (t >= tiles) continue;
          const float2 b =
              *reinterpret_cast<const float2*>(&shared[r * scratch_row(D) + 8 * t + 2 * c]);
          acc[m][t][0] = fmaf(a0, b.x, acc[m][t][0]);
          acc[m][t][1] = fmaf(a0, b.y, acc[m][t][1]);
          acc[m][t][2] = fmaf(a1, b.x, acc[m][t][2]);
          acc[m][t][3] = fmaf(a1, b.y, acc[m][t][3]);
        }
      }
    }
  }
  __device__ static void store(const Accumulator& acc, int tiles, Shared base, int row) {
    const int g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;
#pragma unroll
    for (int m = 0; m < kChannelTiles; ++m) {
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        if (t >= tiles) continue;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int channel = 16 * m + e / 2 * 8 + g;
          const Shared to =
              Smem::piece(base, row + 8 * t + 2 * c + e % 2, channel / 4) + 4 * (channel % 4);
          asm volatile("st.shared.f32 [%0], %1;" ::"r"(to), "f"(acc[m][t][e]) : "memory");
        }
      }
    }
  }
};

}  // namespace lait::kernels::cuda
