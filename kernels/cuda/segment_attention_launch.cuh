// kernels/cuda/: the CUDA kernels.
//
// The host side of a launch: checks, the choice of the instance, shared memory.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>

#include "kernels/cuda/segment_attention_block.cuh"
#include "kernels/segment_attention_checks.h"

namespace lait::kernels::cuda {

inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string("segment_attention on CUDA: ") + what + ": " +
                           cudaGetErrorString(status));
}

inline void check_device() {
  if (const std::string problem = device_problem(); !problem.empty())
    throw std::runtime_error("segment_attention on CUDA: " + problem);
}

template <class Pointer>
void check_rows(const char* name, const Rows<Pointer>& rows, int64_t element_bytes) {
  if ((reinterpret_cast<uintptr_t>(rows.data) |
       static_cast<uintptr_t>(rows.row_stride * element_bytes) |
       static_cast<uintptr_t>(rows.head_stride * element_bytes)) %
          16 !=
      0) {
    refuse(std::string(name) + " must have rows and heads that begin at multiples of 16 bytes");
  }
}

inline int64_t element_bytes(const SegmentAttentionParams& p) {
  return p.dtype == DType::kFloat32 ? 4 : 2;
}

// Whether it takes the kernels that know biases, causality and dropout.
inline bool is_general(const SegmentAttentionParams& p) {
  return p.bias.table || p.lexical.table || p.causal || p.dropout.p > 0;
}

inline void check_cuda_params(const SegmentAttentionParams& p) {
  if (p.dtype == DType::kFloat64) refuse("on CUDA takes float and bfloat16, got double");
  check_head_dim(p);
  if (p.bias.table) {
    check_bias(p.bias);
    if (p.bias.max_distance > kMaxBiasDistance) {
      refuse("bias.max_distance on CUDA is at most " + std::to_string(kMaxBiasDistance) + ", got " +
             std::to_string(p.bias.max_distance));
    }
  }
  check_lexical(p);
  check_dropout(p);
  const int64_t bytes = element_bytes(p);
  check_rows("q", p.q, bytes);
  if (p.runs) {
    check_sources(p);
    if (p.num_sources > kMaxSources) {
      refuse("keys in runs on CUDA have at most " + std::to_string(kMaxSources) + " sources, got " +
             std::to_string(p.num_sources));
    }
    for (int64_t s = 0; s < p.num_sources; ++s) {
      const KeySource& source = p.sources[s];
      auto check = [&](const char* name, const void* data, int64_t head_stride) {
        check_rows(name, Rows<const void*>{data, source.row_stride, head_stride}, bytes);
      };
      check("a source's keys", source.k, p.k.head_stride);
      check("a source's values", source.v, p.v.head_stride);
    }
  } else {
    check_rows("k", p.k, bytes);
    check_rows("v", p.v, bytes);
  }
  check_rows("out", p.out, bytes);
  check_device();
}

template <class Element, int D, bool kGeneralKernel>
struct Instance {
  using T = Element;
  static constexpr int kDim = D;
  static constexpr bool kGeneral = kGeneralKernel;
};

// body(Instance) for the dtype, head dim and kind.
template <class Body>
void dispatch(DType dtype, int64_t dim, bool general, const Body& body) {
  auto with_general = [&]<class T, int D>() {
    general ? body(Instance<T, D, true>{}) : body(Instance<T, D, false>{});
  };
  auto with_dim = [&]<class T>() {
    dim == 32   ? with_general.template operator()<T, 32>()
    : dim == 64 ? with_general.template operator()<T, 64>()
                : with_general.template operator()<T, 128>();
  };
  dtype == DType::kFloat32 ? with_dim.template operator()<float>()
                           : with_dim.template operator()<__nv_bfloat16>();
}

inline Launch launch_of(const WorkList& work, WorkPart part) {
  Launch launch;
  launch.tiles = work.tiles;
  for (int before = 0; before < part; ++before)
    launch.tiles += 2 * kWarps * num_blocks(work.blocks[before]);
  std::copy(std::begin(work.blocks[part]), std::end(work.blocks[part]), launch.blocks);
  return launch;
}

// Starts kernel(params, launch, more…). `bytes(stages)` is the shared memory in bytes; there are
// two stages if `streams` and they fit. `dead_rows` adds blocks for the dead rows.
template <class Params, class Bytes, class... More>
void start(void (*kernel)(Params, Launch, More...), const Params& params, Launch launch,
           int64_t num_heads, bool streams, bool dead_rows, void* stream, const Bytes& bytes,
           const More&... more) {
  const auto grid = static_cast<int>((num_blocks(launch.blocks) + (dead_rows ? 1 : 0)) * num_heads);
  if (grid == 0) return;
  int device = 0, limit = 0;
  check_cuda(cudaGetDevice(&device), "no device");
  check_cuda(cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
             "no shared memory");
  launch.stages = streams && bytes(2) <= limit ? 2 : 1;
  const int needed = bytes(launch.stages);
  if (needed > limit) {
    refuse("on CUDA needs " + std::to_string(needed) +
           " bytes of shared memory for this dtype and head_dim, this GPU has " +
           std::to_string(limit) + "; bf16 needs half");
  }
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, needed),
             "shared memory");
  kernel<<<grid, kThreads, needed, static_cast<cudaStream_t>(stream)>>>(params, launch, more...);
  check_cuda(cudaGetLastError(), "launch");
}

}  // namespace lait::kernels::cuda
