// T5's norm (row_ops.h) on CUDA: a warp for a row, four neighbouring columns a lane. Sums run in
// the order of the CPU's kernels (kernels/cpu/rms_norm_isa.cpp), and nothing is fused, so the
// results have the CPU's bits. Memory-bound: a row is read once, or twice from the cache, and
// written once.
#include "kernels/cuda/columns.cuh"
#include "kernels/row_ops.h"

namespace lait::kernels::cuda {
namespace {

constexpr int kLanes = 32, kRowsOfABlock = kThreads / kLanes;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// The lane's columns from c on, as far as the row goes; zeros behind its end.
template <int kColumns, class T>
__device__ Columns<4> four(const T* row, int64_t c, int64_t width) {
  if constexpr (kColumns == 4) {
    return load<4>(row + c);
  } else {
    Columns<4> out = {};
    for (int j = 0; j < 4 && c + j < width; ++j) out.at[j] = load<1>(row + c + j).at[0];
    return out;
  }
}
template <int kColumns, class T>
__device__ void put(T* row, int64_t c, int64_t width, const Columns<4>& x) {
  if constexpr (kColumns == 4) {
    store<4>(row + c, x);
  } else {
    for (int j = 0; j < 4 && c + j < width; ++j) store<1>(row + c + j, {{x.at[j]}});
  }
}

// Over the row's columns, of what the lane summed up for each of its four; the same in all lanes.
__device__ float sum_of_lanes(const Columns<4>& sums) {
  float sum = __fadd_rn(__fadd_rn(sums.at[0], sums.at[1]), __fadd_rn(sums.at[2], sums.at[3]));
#pragma unroll
  for (int half = kLanes / 2; half > 0; half /= 2)
    sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, half));
  return sum;
}

// This warp's row.
__device__ int64_t row_of_warp() {
  return int64_t{blockIdx.x} * kRowsOfABlock + threadIdx.x / kLanes;
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) rms_norm_kernel(RmsNormParams p) {
  const int64_t t = row_of_warp(), first = threadIdx.x % kLanes * 4;
  if (t >= p.num_rows) return;
  const T* x = static_cast<const T*>(p.x) + t * p.width;
  Columns<4> squares = {};
  for (int64_t c = first; c < p.width; c += 4 * kLanes) {
    const Columns<4> v = four<kColumns>(x, c, p.width);
    for (int j = 0; j < 4; ++j)
      squares.at[j] = __fadd_rn(squares.at[j], __fmul_rn(v.at[j], v.at[j]));
  }
  const float mean = __fdiv_rn(sum_of_lanes(squares), static_cast<float>(p.width)),
              rstd = __fdiv_rn(1.f, __fsqrt_rn(__fadd_rn(mean, static_cast<float>(p.epsilon))));
  if (first == 0) static_cast<float*>(p.rstd)[t] = rstd;
  T* out = static_cast<T*>(p.out) + t * p.width;
  for (int64_t c = first; c < p.width; c += 4 * kLanes) {
    Columns<4> v = four<kColumns>(x, c, p.width);
    const Columns<4> weight = four<kColumns>(static_cast<const float*>(p.weight), c, p.width);
    for (int j = 0; j < 4; ++j) v.at[j] = __fmul_rn(__fmul_rn(v.at[j], rstd), weight.at[j]);
    put<kColumns>(out, c, p.width, v);
  }
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) rms_norm_gradient_kernel(RmsNormGradParams p) {
  const int64_t t = row_of_warp(), first = threadIdx.x % kLanes * 4;
  if (t >= p.num_rows) return;
  const T *x = static_cast<const T*>(p.x) + t * p.width,
          *dout = static_cast<const T*>(p.dout) + t * p.width;
  const auto weighed = [&](int64_t c) {
    Columns<4> g = four<kColumns>(dout, c, p.width);
    const Columns<4> weight = four<kColumns>(static_cast<const float*>(p.weight), c, p.width);
    for (int j = 0; j < 4; ++j) g.at[j] = __fmul_rn(weight.at[j], g.at[j]);
    return g;
  };
  Columns<4> sums = {};
  for (int64_t c = first; c < p.width; c += 4 * kLanes) {
    const Columns<4> g = weighed(c), v = four<kColumns>(x, c, p.width);
    for (int j = 0; j < 4; ++j) sums.at[j] = __fadd_rn(sums.at[j], __fmul_rn(g.at[j], v.at[j]));
  }
  const float rstd = static_cast<const float*>(p.rstd)[t],
              mean = __fdiv_rn(sum_of_lanes(sums), static_cast<float>(p.width)),
              factor = __fmul_rn(mean, __fmul_rn(rstd, rstd));
  T* dx = static_cast<T*>(p.dx) + t * p.width;
  for (int64_t c = first; c < p.width; c += 4 * kLanes) {
    Columns<4> g = weighed(c);
    const Columns<4> v = four<kColumns>(x, c, p.width);
    for (int j = 0; j < 4; ++j)
      g.at[j] = __fmul_rn(__fsub_rn(g.at[j], __fmul_rn(v.at[j], factor)), rstd);
    put<kColumns>(dx, c, p.width, g);
  }
}

// A part of the rows for each thread, and kColumns columns.
template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads)
    rms_norm_parts_kernel(RmsNormGradParams p, int64_t num_parts) {
  int64_t i, c;
  if (!place<kColumns>(num_parts, p.width, i, c)) return;
  const int64_t begin = i * kRmsNormPart,
                end = begin + kRmsNormPart < p.num_rows ? begin + kRmsNormPart : p.num_rows;
  Columns<kColumns> sum = {};
  for (int64_t t = begin; t < end; ++t) {
    const Columns<kColumns> v = load<kColumns>(static_cast<const T*>(p.x) + t * p.width + c),
                            g = load<kColumns>(static_cast<const T*>(p.dout) + t * p.width + c);
    const float rstd = static_cast<const float*>(p.rstd)[t];
    for (int j = 0; j < kColumns; ++j)
      sum.at[j] = __fadd_rn(sum.at[j], __fmul_rn(__fmul_rn(g.at[j], v.at[j]), rstd));
  }
  store<kColumns>(static_cast<float*>(p.parts) + i * p.width + c, sum);
}

template <int kColumns>
__global__ void __launch_bounds__(kThreads)
    rms_norm_sum_kernel(RmsNormGradParams p, int64_t num_parts) {
  int64_t row, c;
  if (!place<kColumns>(1, p.width, row, c)) return;
  Columns<kColumns> sum = {};
  for (int64_t i = 0; i < num_parts; ++i) {
    const Columns<kColumns> part =
        load<kColumns>(static_cast<const float*>(p.parts) + i * p.width + c);
    for (int j = 0; j < kColumns; ++j) sum.at[j] = __fadd_rn(sum.at[j], part.at[j]);
  }
  store<kColumns>(static_cast<float*>(p.dweight) + c, sum);
}

unsigned blocks_of_rows(int64_t rows) {
  return static_cast<unsigned>((rows + kRowsOfABlock - 1) / kRowsOfABlock);
}

}  // namespace

void rms_norm(const RmsNormParams& p) {
  launch("rms_norm", p.dtype, p.num_rows, p.width, {p.x, p.weight, p.out},
         [&](auto instance, unsigned) {
           using I = decltype(instance);
           rms_norm_kernel<typename I::T, I::kColumns>
               <<<blocks_of_rows(p.num_rows), kThreads, 0, stream_of(p.stream)>>>(p);
         });
}

void rms_norm_backward(const RmsNormGradParams& p) {
  const int64_t num_parts = (p.num_rows + kRmsNormPart - 1) / kRmsNormPart;
  const std::initializer_list<const void*> pointers{p.dout, p.x,       p.weight,
                                                    p.dx,   p.dweight, p.parts};
  launch("rms_norm_backward", p.dtype, p.num_rows, p.width, pointers, [&](auto instance, unsigned) {
    using I = decltype(instance);
    rms_norm_gradient_kernel<typename I::T, I::kColumns>
        <<<blocks_of_rows(p.num_rows), kThreads, 0, stream_of(p.stream)>>>(p);
  });
  launch("rms_norm_backward", p.dtype, num_parts, p.width, pointers,
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           rms_norm_parts_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p, num_parts);
         });
  launch("rms_norm_backward", p.dtype, 1, p.width, pointers, [&](auto instance, unsigned grid) {
    using I = decltype(instance);
    rms_norm_sum_kernel<I::kColumns><<<grid, kThreads, 0, stream_of(p.stream)>>>(p, num_parts);
  });
}

}  // namespace lait::kernels::cuda
