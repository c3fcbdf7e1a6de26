// lait::dropout_add, gather_rows, unit_mean and rms_norm on CUDA: the operators' implementations
// over kernels::cuda.
#include <torch/library.h>

#include "lait/cuda/current_stream.h"
#include "lait/ops/row_ops_call.h"

namespace lait::ops {
namespace {

using at::Tensor;
using rowwise::OptionalTensor;

// The kernel, called on the current stream of x's device.
template <class Params>
auto on_device_of(const Tensor& x, void (*kernel)(const Params&)) {
  return [device = x.device(), kernel](Params p) {
    p.stream = current_stream(device);
    kernel(p);
  };
}

Tensor dropout_add_cuda(const Tensor& x, const OptionalTensor& residual, const Tensor& row_unit_ids,
                        const Tensor& row_positions, double p, int64_t seed, int64_t step,
                        int64_t layer, int64_t site) {
  const c10::DeviceGuard guard(x.device());
  return rowwise::dropout_add(on_device_of(x, kernels::cuda::dropout_add), x, residual,
                              row_unit_ids, row_positions, p, seed, step, layer, site);
}

Tensor gather_rows_backward_cuda(const Tensor& dout, const Tensor& inverse_offsets,
                                 const Tensor& inverse) {
  const c10::DeviceGuard guard(dout.device());
  return rowwise::gather_rows_backward(on_device_of(dout, kernels::cuda::gather_adjoint), dout,
                                       inverse_offsets, inverse);
}

Tensor unit_mean_cuda(const Tensor& x, const Tensor& offsets) {
  const c10::DeviceGuard guard(x.device());
  return rowwise::unit_mean(on_device_of(x, kernels::cuda::unit_mean_forward), x, offsets);
}

Tensor unit_mean_backward_cuda(const Tensor& dout, const Tensor& offsets, int64_t num_rows,
                               at::ScalarType dtype) {
  const c10::DeviceGuard guard(dout.device());
  return rowwise::unit_mean_backward(on_device_of(dout, kernels::cuda::unit_mean_backward), dout,
                                     offsets, num_rows, dtype);
}

std::tuple<Tensor, Tensor> rms_norm_cuda(const Tensor& x, const Tensor& weight, double epsilon) {
  const c10::DeviceGuard guard(x.device());
  return rowwise::rms_norm(on_device_of(x, kernels::cuda::rms_norm), x, weight, epsilon);
}

std::tuple<Tensor, Tensor> rms_norm_backward_cuda(const Tensor& dout, const Tensor& x,
                                                  const Tensor& weight, const Tensor& rstd) {
  const c10::DeviceGuard guard(x.device());
  return rowwise::rms_norm_backward(on_device_of(x, kernels::cuda::rms_norm_backward), dout, x,
                                    weight, rstd);
}

TORCH_LIBRARY_IMPL(lait, CUDA, m) {
  m.impl("dropout_add", dropout_add_cuda);
  m.impl("gather_rows", rowwise::gather_rows);
  m.impl("gather_rows_backward", gather_rows_backward_cuda);
  m.impl("unit_mean", unit_mean_cuda);
  m.impl("unit_mean_backward", unit_mean_backward_cuda);
  m.impl("rms_norm", rms_norm_cuda);
  m.impl("rms_norm_backward", rms_norm_backward_cuda);
}

}  // namespace
}  // namespace lait::ops
