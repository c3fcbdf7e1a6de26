// The row-wise kernels of row_ops.h on CUDA: memory-bound loops, one thread for four neighbouring
// columns (16 bytes of float, 8 of bfloat16) where rows allow it. Sums run in the CPU's order, and
// nothing is contracted to a fused multiply-add, so the results have the CPU's bits.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/row_ops.h"
#include "kernels/row_ops_checks.h"

namespace lait::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = int64_t{1} << 30;

// kColumns elements of a row, in float.
template <int kColumns>
struct Columns {
  float at[kColumns];
};

template <int kColumns>
__device__ Columns<kColumns> load(const float* p) {
  if constexpr (kColumns == 1) {
    return {{*p}};
  } else {
    const float4 x = *reinterpret_cast<const float4*>(p);
    return {{x.x, x.y, x.z, x.w}};
  }
}
template <int kColumns>
__device__ Columns<kColumns> load(const __nv_bfloat16* p) {
  if constexpr (kColumns == 1) {
    return {{__bfloat162float(*p)}};
  } else {
    const uint2 x = *reinterpret_cast<const uint2*>(p);
    return {{__uint_as_float(x.x << 16), __uint_as_float(x.x & 0xFFFF0000u),
             __uint_as_float(x.y << 16), __uint_as_float(x.y & 0xFFFF0000u)}};
  }
}
template <int kColumns>
__device__ void store(float* p, const Columns<kColumns>& x) {
  if constexpr (kColumns == 1) {
    *p = x.at[0];
  } else {
    *reinterpret_cast<float4*>(p) = {x.at[0], x.at[1], x.at[2], x.at[3]};
  }
}
template <int kColumns>
__device__ void store(__nv_bfloat16* p, const Columns<kColumns>& x) {
  if constexpr (kColumns == 1) {
    *p = __float2bfloat16_rn(x.at[0]);
  } else {
    auto bits = [](float v) {
      return static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(v)));
    };
    *reinterpret_cast<uint2*>(p) = {bits(x.at[0]) | bits(x.at[1]) << 16,
                                    bits(x.at[2]) | bits(x.at[3]) << 16};
  }
}

// This thread's row and first column, of `rows` rows of `columns` columns; false: none.
template <int kColumns>
__device__ bool place(int64_t rows, int64_t width, int64_t& row, int64_t& column) {
  const int64_t in_row = width / kColumns, i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  row = i / in_row;
  column = (i - row * in_row) * kColumns;
  return row < rows;
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads)
    dropout_add_kernel(DropoutAddParams p, uint32_t threshold, float scale) {
  int64_t t, c;
  if (!place<kColumns>(p.num_rows, p.width, t, c)) return;
  const int64_t i = t * p.width + c;
  Columns<kColumns> x = load<kColumns>(static_cast<const T*>(p.x) + i);
  if (p.dropout.p > 0) {
    const PhiloxWords words = dropout_words(p.dropout, static_cast<uint32_t>(p.unit_ids[t]),
                                            static_cast<uint32_t>(p.positions[t]),
                                            static_cast<uint32_t>(c / 4), /*head=*/0);
#pragma unroll
    for (int word = 0; word < 4; ++word) {  // for one column: its own word of the four
      const int j = kColumns == 1 ? 0 : word;
      if (kColumns == 1 && c % 4 != word) continue;
      x.at[j] = words.word[word] >= threshold ? __fmul_rn(x.at[j], scale) : 0.f;
    }
  }
  if (p.residual) {
    const Columns<kColumns> residual = load<kColumns>(static_cast<const T*>(p.residual) + i);
    for (int j = 0; j < kColumns; ++j) x.at[j] = __fadd_rn(x.at[j], residual.at[j]);
  }
  store<kColumns>(static_cast<T*>(p.out) + i, x);
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) gather_adjoint_kernel(GatherAdjointParams p) {
  int64_t s, c;
  if (!place<kColumns>(p.num_out_rows, p.width, s, c)) return;
  Columns<kColumns> sum = {};
  for (int32_t i = p.inverse_offsets[s]; i < p.inverse_offsets[s + 1]; ++i) {
    const Columns<kColumns> in =
        load<kColumns>(static_cast<const T*>(p.in) + int64_t{p.inverse[i]} * p.width + c);
    for (int j = 0; j < kColumns; ++j) sum.at[j] += in.at[j];
  }
  store<kColumns>(static_cast<T*>(p.out) + s * p.width + c, sum);
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) unit_mean_kernel(UnitMeanParams p) {
  int64_t g, c;
  if (!place<kColumns>(p.num_units, p.width, g, c)) return;
  const int32_t begin = p.offsets[g], end = p.offsets[g + 1];
  Columns<kColumns> sum = {};
  for (int32_t t = begin; t < end; ++t) {
    const Columns<kColumns> in =
        load<kColumns>(static_cast<const T*>(p.in) + int64_t{t} * p.width + c);
    for (int j = 0; j < kColumns; ++j) sum.at[j] += in.at[j];
  }
  if (end - begin > 1) {
    const float factor = __frcp_rn(static_cast<float>(end - begin));
    for (int j = 0; j < kColumns; ++j) sum.at[j] *= factor;
  }
  store<kColumns>(static_cast<float*>(p.out) + g * p.width + c, sum);
}

// A row finds its unit by binary search in the offsets, so that long and short units cost the same.
template <class T, int kColumns>
__global__ void __launch_bounds__(kThreads) unit_mean_gradient_kernel(UnitMeanParams p) {
  int64_t t, c;
  if (!place<kColumns>(p.num_rows, p.width, t, c)) return;
  int64_t low = 0, high = p.num_units + 1;  // how many offsets are at most t
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (p.offsets[middle] <= t) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  Columns<kColumns> out = {};
  if (low > 0 && low <= p.num_units) {
    const int64_t g = low - 1;
    const float factor = __frcp_rn(static_cast<float>(p.offsets[g + 1] - p.offsets[g]));
    const Columns<kColumns> in = load<kColumns>(static_cast<const float*>(p.in) + g * p.width + c);
    for (int j = 0; j < kColumns; ++j) out.at[j] = __fmul_rn(in.at[j], factor);
  }
  store<kColumns>(static_cast<T*>(p.out) + t * p.width + c, out);
}

template <class Element, int kWidth>
struct Instance {
  using T = Element;
  static constexpr int kColumns = kWidth;
};

// body(Instance, blocks) for `rows` rows of `width` columns; four columns a thread where rows and
// pointers allow it.
template <class Body>
void launch(const char* op, DType dtype, int64_t rows, int64_t width,
            std::initializer_list<const void*> pointers, const Body& body) {
  if (dtype == DType::kFloat64)
    throw std::invalid_argument(std::string(op) + ": on CUDA takes float and bfloat16, got double");
  if (rows == 0 || width == 0) return;
  const bool wide = width % 4 == 0 && std::ranges::all_of(pointers, [](const void* p) {
                      return reinterpret_cast<uintptr_t>(p) % 16 == 0;
                    });
  const int64_t blocks = (rows * (wide ? width / 4 : width) + kThreads - 1) / kThreads;
  if (blocks > kMostBlocks) {
    throw std::invalid_argument(std::string(op) + ": on CUDA takes at most 2^38 elements, got " +
                                std::to_string(rows * width));
  }
  const auto grid = static_cast<unsigned>(blocks);
  if (dtype == DType::kFloat32) {
    wide ? body(Instance<float, 4>{}, grid) : body(Instance<float, 1>{}, grid);
  } else {
    wide ? body(Instance<__nv_bfloat16, 4>{}, grid) : body(Instance<__nv_bfloat16, 1>{}, grid);
  }
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) {
    throw std::runtime_error(std::string(op) + " on CUDA: launch: " + cudaGetErrorString(status));
  }
}

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

}  // namespace

void dropout_add(const DropoutAddParams& p) {
  check_dropout_add(p);
  launch("dropout_add", p.dtype, p.num_rows, p.width, {p.x, p.residual, p.out},
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           const auto scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(p.dropout.p)));
           dropout_add_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p, dropout_threshold(p.dropout.p),
                                                            scale);
         });
}

void gather_adjoint(const GatherAdjointParams& p) {
  launch("gather_adjoint", p.dtype, p.num_out_rows, p.width, {p.in, p.out},
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           gather_adjoint_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p);
         });
}

void unit_mean_forward(const UnitMeanParams& p) {
  launch(
      "unit_mean", p.dtype, p.num_units, p.width, {p.in, p.out}, [&](auto instance, unsigned grid) {
        using I = decltype(instance);
        unit_mean_kernel<typename I::T, I::kColumns><<<grid, kThreads, 0, stream_of(p.stream)>>>(p);
      });
}

void unit_mean_backward(const UnitMeanParams& p) {
  launch("unit_mean_backward", p.dtype, p.num_rows, p.width, {p.in, p.out},
         [&](auto instance, unsigned grid) {
           using I = decltype(instance);
           unit_mean_gradient_kernel<typename I::T, I::kColumns>
               <<<grid, kThreads, 0, stream_of(p.stream)>>>(p);
         });
}

}  // namespace lait::kernels::cuda
