// What the row-wise kernels on CUDA share: columns in float from and to memory of either type, the
// place of a thread, and the choice of an instance.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/segment_attention.h"

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
}  // namespace lait::kernels::cuda
