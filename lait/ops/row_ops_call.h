// lait::dropout_add, gather_rows, unit_mean and rms_norm from tensors to the Params of
// kernels/row_ops.h. The CPU and CUDA implementations share this and differ only in the kernel:
// launch(params) runs it.
#pragma once
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include "kernels/row_ops.h"
#include "lait/ops/kernel_calls.h"

namespace lait::ops::rowwise {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

inline void check_matrix(const Tensor& x, const char* op) {
  TORCH_CHECK(x.dim() == 2, op, ": expected a matrix (rows, width), got ", x.sizes());
  kernel_dtype(x, op);
}

inline Tensor dropout_add_meta(const Tensor& x, const OptionalTensor& residual,
                               const Tensor& row_unit_ids, const Tensor& row_positions, double p,
                               int64_t seed, int64_t step, int64_t layer, int64_t site) {
  check_matrix(x, "dropout_add");
  TORCH_CHECK(x.size(1) % 4 == 0, "dropout_add: the width must be a multiple of 4, got ",
              x.size(1));
  TORCH_CHECK(
      !residual || (residual->sizes() == x.sizes() && residual->scalar_type() == x.scalar_type()),
      "dropout_add: residual must have x's shape and dtype, got ", residual->sizes(), " for ",
      x.sizes());
  TORCH_CHECK(!residual || residual->device() == x.device(), "dropout_add: residual must be on ",
              x.device(), ", got ", residual->device());
  return at::empty(x.sizes(), x.options());
}

template <class Launch>
Tensor dropout_add(const Launch& launch, const Tensor& x_in, const OptionalTensor& residual,
                   const Tensor& row_unit_ids, const Tensor& row_positions, double p, int64_t seed,
                   int64_t step, int64_t layer, int64_t site) {
  const Tensor out =
      dropout_add_meta(x_in, residual, row_unit_ids, row_positions, p, seed, step, layer, site);
  const Tensor x = x_in.contiguous();
  const Tensor r = residual ? residual->contiguous() : Tensor();
  kernels::DropoutAddParams params;
  params.dtype = kernel_dtype(x, "dropout_add");
  params.num_rows = x.size(0);
  params.width = x.size(1);
  params.x = x.const_data_ptr();
  params.residual = r.defined() ? r.const_data_ptr() : nullptr;
  params.out = out.mutable_data_ptr();
  params.unit_ids = int_pointer(row_unit_ids, x.size(0), x.device(), "dropout_add", "row_unit_ids");
  params.positions =
      int_pointer(row_positions, x.size(0), x.device(), "dropout_add", "row_positions");
  params.dropout = make_dropout(p, seed, step, layer, site, "dropout_add");
  params.parallel = parallel_loop;
  launch(params);
  return out;
}

// The same for every device.
inline Tensor gather_rows(const Tensor& x, const Tensor& index, const Tensor& inverse_offsets,
                          const Tensor& inverse) {
  check_matrix(x, "gather_rows");
  TORCH_CHECK(inverse_offsets.dim() == 1 && inverse_offsets.size(0) == x.size(0) + 1,
              "gather_rows: inverse_offsets must have ", x.size(0) + 1, " elements, got ",
              inverse_offsets.sizes());
  return at::index_select(x, 0, index);
}

inline Tensor gather_rows_backward_meta(const Tensor& dout, const Tensor& inverse_offsets,
                                        const Tensor& inverse) {
  constexpr const char* kOp = "gather_rows_backward";
  check_matrix(dout, kOp);
  TORCH_CHECK(inverse.dim() == 1 && inverse.size(0) <= dout.size(0), kOp,
              ": inverse must be a vector of at most ", dout.size(0),
              " elements (dout's rows), got ", inverse.sizes());
  return at::empty({num_units(inverse_offsets, kOp, "inverse_offsets"), dout.size(1)},
                   dout.options());
}

template <class Launch>
Tensor gather_rows_backward(const Launch& launch, const Tensor& dout_in,
                            const Tensor& inverse_offsets, const Tensor& inverse) {
  const Tensor dout = dout_in.contiguous();
  const Tensor dx = gather_rows_backward_meta(dout, inverse_offsets, inverse);
  kernels::GatherAdjointParams params;
  params.dtype = kernel_dtype(dout, "gather_rows_backward");
  params.num_out_rows = dx.size(0);
  params.width = dx.size(1);
  params.in = dout.const_data_ptr();
  params.out = dx.mutable_data_ptr();
  params.inverse_offsets =
      int_pointer(inverse_offsets, -1, dout.device(), "gather_rows_backward", "inverse_offsets");
  params.inverse = int_pointer(inverse, -1, dout.device(), "gather_rows_backward", "inverse");
  params.parallel = parallel_loop;
  launch(params);
  return dx;
}

inline Tensor unit_mean_meta(const Tensor& x, const Tensor& offsets) {
  check_matrix(x, "unit_mean");
  return at::empty({num_units(offsets, "unit_mean", "offsets"), x.size(1)},
                   x.options().dtype(accumulate_type(x)));
}

inline Tensor unit_mean_backward_meta(const Tensor& dout, const Tensor& offsets, int64_t num_rows,
                                      at::ScalarType dtype) {
  constexpr const char* kOp = "unit_mean_backward";
  check_matrix(dout, kOp);
  TORCH_CHECK(dout.size(0) == num_units(offsets, kOp, "offsets"), kOp, ": dout must have ",
              offsets.size(0) - 1, " rows, one for each unit of offsets, got ", dout.size(0));
  TORCH_CHECK(dout.scalar_type() == accumulate_type(dtype), kOp, ": dout must be ",
              accumulate_type(dtype), " for rows of ", dtype, ", got ", dout.scalar_type());
  return at::empty({num_rows, dout.size(1)}, dout.options().dtype(dtype));
}

inline kernels::UnitMeanParams unit_mean_params(const Tensor& rows, const Tensor& in,
                                                const Tensor& out, const Tensor& offsets) {
  kernels::UnitMeanParams params;
  params.dtype = kernel_dtype(rows, "unit_mean");
  params.num_units = offsets.size(0) - 1;
  params.num_rows = rows.size(0);
  params.width = rows.size(1);
  params.in = in.const_data_ptr();
  params.out = out.mutable_data_ptr();
  params.offsets = int_pointer(offsets, -1, rows.device(), "unit_mean", "offsets");
  params.parallel = parallel_loop;
  return params;
}

template <class Launch>
Tensor unit_mean(const Launch& launch, const Tensor& x_in, const Tensor& offsets) {
  const Tensor x = x_in.contiguous();
  const Tensor out = unit_mean_meta(x, offsets);
  launch(unit_mean_params(x, x, out, offsets));
  return out;
}

template <class Launch>
Tensor unit_mean_backward(const Launch& launch, const Tensor& dout_in, const Tensor& offsets,
                          int64_t num_rows, at::ScalarType dtype) {
  const Tensor dout = dout_in.contiguous();
  const Tensor dx = unit_mean_backward_meta(dout, offsets, num_rows, dtype);
  launch(unit_mean_params(dx, dout, dx, offsets));
  return dx;
}

inline std::tuple<Tensor, Tensor> rms_norm_meta(const Tensor& x, const Tensor& weight, double) {
  check_matrix(x, "rms_norm");
  TORCH_CHECK(weight.dim() == 1 && weight.size(0) == x.size(1) &&
                  weight.scalar_type() == accumulate_type(x) && weight.device() == x.device(),
              "rms_norm: weight must be ", accumulate_type(x), " of ", x.size(1), " elements on ",
              x.device(), ", got ", weight.scalar_type(), " of ", weight.sizes(), " on ",
              weight.device());
  return {at::empty(x.sizes(), x.options()), at::empty({x.size(0)}, weight.options())};
}

template <class Launch>
std::tuple<Tensor, Tensor> rms_norm(const Launch& launch, const Tensor& x_in,
                                    const Tensor& weight_in, double epsilon) {
  const Tensor x = x_in.contiguous(), weight = weight_in.contiguous();
  auto out = rms_norm_meta(x, weight, epsilon);
  kernels::RmsNormParams params;
  params.dtype = kernel_dtype(x, "rms_norm");
  params.num_rows = x.size(0);
  params.width = x.size(1);
  params.epsilon = epsilon;
  params.x = x.const_data_ptr();
  params.weight = weight.const_data_ptr();
  params.out = std::get<0>(out).mutable_data_ptr();
  params.rstd = std::get<1>(out).mutable_data_ptr();
  params.parallel = parallel_loop;
  launch(params);
  return out;
}

inline std::tuple<Tensor, Tensor> rms_norm_backward_meta(const Tensor& dout, const Tensor& x,
                                                         const Tensor& weight, const Tensor& rstd) {
  TORCH_CHECK(dout.sizes() == x.sizes() && dout.scalar_type() == x.scalar_type() &&
                  rstd.dim() == 1 && rstd.size(0) == x.size(0),
              "rms_norm_backward: dout and rstd must fit x, ", x.sizes(), " of ", x.scalar_type(),
              ", got ", dout.sizes(), " of ", dout.scalar_type(), " and ", rstd.sizes());
  return {at::empty(x.sizes(), x.options()), at::empty({x.size(1)}, weight.options())};
}

template <class Launch>
std::tuple<Tensor, Tensor> rms_norm_backward(const Launch& launch, const Tensor& dout_in,
                                             const Tensor& x_in, const Tensor& weight_in,
                                             const Tensor& rstd) {
  const Tensor dout = dout_in.contiguous(), x = x_in.contiguous(), weight = weight_in.contiguous();
  auto out = rms_norm_backward_meta(dout, x, weight, rstd);
  const int64_t parts = (x.size(0) + kernels::kRmsNormPart - 1) / kernels::kRmsNormPart;
  const Tensor memory = at::empty({parts, x.size(1)}, weight.options());
  kernels::RmsNormGradParams params;
  params.dtype = kernel_dtype(x, "rms_norm_backward");
  params.num_rows = x.size(0);
  params.width = x.size(1);
  params.dout = dout.const_data_ptr();
  params.x = x.const_data_ptr();
  params.weight = weight.const_data_ptr();
  params.rstd = rstd.const_data_ptr();
  params.dx = std::get<0>(out).mutable_data_ptr();
  params.dweight = std::get<1>(out).mutable_data_ptr();
  params.parts = memory.mutable_data_ptr();
  params.parallel = parallel_loop;
  launch(params);
  return out;
}

}  // namespace lait::ops::rowwise
