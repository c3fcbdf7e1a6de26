// From tensors to the kernels' raw pointers: what all operators of lait/ops share.
#pragma once
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <string>

#include "kernels/segment_attention.h"

namespace lait::ops {

inline kernels::DType kernel_dtype(const at::Tensor& t, const char* op) {
  switch (t.scalar_type()) {
    case at::kFloat:
      return kernels::DType::kFloat32;
    case at::kBFloat16:
      return kernels::DType::kBfloat16;
    case at::kDouble:
      return kernels::DType::kFloat64;
    default:
      TORCH_CHECK(false, op, ": dtype must be float32, bfloat16 or float64, got ", t.scalar_type());
  }
}

inline void check_head_dim(int64_t head_dim, const char* op) {
  const std::string problem = kernels::head_dim_problem(head_dim);
  TORCH_CHECK(problem.empty(), op, ": ", problem);
}

// float for float32 and bfloat16, double for double: the dtype of lse, means and bias gradients.
inline at::ScalarType accumulate_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}
inline at::ScalarType accumulate_type(const at::Tensor& t) {
  return accumulate_type(t.scalar_type());
}

// at::parallel_for, in the form that the kernels call.
inline void parallel_loop(int64_t begin, int64_t end, int64_t grain, kernels::ParallelBody* body,
                          void* context) {
  at::parallel_for(begin, end, grain, [&](int64_t b, int64_t e) { body(context, b, e); });
}

// The number of units of a vector of offsets.
inline int64_t num_units(const at::Tensor& offsets, const char* op, const char* name) {
  TORCH_CHECK(offsets.dim() == 1 && offsets.size(0) > 0, op, ": ", name,
              " must be a vector of at least one element, got ", offsets.sizes());
  return offsets.size(0) - 1;
}

// The data of a contiguous int32 vector; checks its size (negative: any) and its device.
inline const int32_t* int_pointer(const at::Tensor& t, int64_t size, at::Device device,
                                  const char* op, const char* name) {
  TORCH_CHECK(t.scalar_type() == at::kInt && t.dim() == 1 && t.is_contiguous(), op, ": ", name,
              " must be a contiguous int32 vector, got ", t.scalar_type(), " of ", t.dim(),
              " dimensions");
  TORCH_CHECK(size < 0 || t.size(0) == size, op, ": ", name, " must have ", size, " elements, got ",
              t.size(0));
  TORCH_CHECK(t.device() == device, op, ": ", name, " must be on ", device, ", got ", t.device());
  return t.const_data_ptr<int32_t>();
}

// The dropout of a call. The schema passes its parts one by one, because operators take plain
// numbers.
inline kernels::Dropout make_dropout(double p, int64_t seed, int64_t step, int64_t layer,
                                     int64_t site, const char* op) {
  TORCH_CHECK(p >= 0 && p < 1, op, ": dropout p must be in [0, 1), got ", p);
  TORCH_CHECK(layer >= 0 && layer < 256, op, ": layer must be in [0, 256), got ", layer);
  return {static_cast<float>(p), static_cast<uint64_t>(seed), static_cast<uint32_t>(step),
          static_cast<uint8_t>(layer), static_cast<kernels::Site>(site)};
}

}  // namespace lait::ops
