// lait::dropout_add, gather_rows and unit_mean: checks, Params, dispatch, meta and autograd over kernels/row_ops.h.
#include "kernels/row_ops.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "lait/ops/kernel_calls.h"
#include "lait/ops/ops.h"

namespace lait::ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Signature>
const auto& find_op(const char* name) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
  return op;
}

void check_matrix(const Tensor& x, const char* op) {
  TORCH_CHECK(x.dim() == 2, op, ": expected a matrix (rows, width), got ", x.sizes());
  kernel_dtype(x, op);
}

// ---- dropout_add ------------------------------------------------------------------------------------------------------

Tensor dropout_add_meta(const Tensor& x, const OptionalTensor& residual, const Tensor& row_unit_ids,
                        const Tensor& row_positions, double p, int64_t seed, int64_t step, int64_t layer, int64_t site) {
  check_matrix(x, "dropout_add");
  TORCH_CHECK(x.size(1) % 4 == 0, "dropout_add: the width must be a multiple of 4, got ", x.size(1));
  TORCH_CHECK(!residual || (residual->sizes() == x.sizes() && residual->scalar_type() == x.scalar_type()),
              "dropout_add: residual must have x's shape and dtype, got ", residual->sizes(), " for ", x.sizes());
  return at::empty(x.sizes(), x.options());
}

Tensor dropout_add_cpu(const Tensor& x_in, const OptionalTensor& residual, const Tensor& row_unit_ids,
                       const Tensor& row_positions, double p, int64_t seed, int64_t step, int64_t layer, int64_t site) {
  const Tensor out = dropout_add_meta(x_in, residual, row_unit_ids, row_positions, p, seed, step, layer, site);
  const Tensor x = x_in.contiguous();
  const Tensor r = residual ? residual->contiguous() : Tensor();
  kernels::cpu::DropoutAddParams params;
  params.dtype = kernel_dtype(x, "dropout_add");
  params.num_rows = x.size(0);
  params.width = x.size(1);
  params.x = x.const_data_ptr();
  params.residual = r.defined() ? r.const_data_ptr() : nullptr;
  params.out = out.mutable_data_ptr();
  params.unit_ids = int_pointer(row_unit_ids, x.size(0), "dropout_add", "row_unit_ids");
  params.positions = int_pointer(row_positions, x.size(0), "dropout_add", "row_positions");
  params.dropout = make_dropout(p, seed, step, layer, site, "dropout_add");
  params.parallel = parallel_loop;
  kernels::cpu::dropout_add(params);
  return out;
}

using DropoutAddSignature = Tensor(const Tensor&, const OptionalTensor&, const Tensor&, const Tensor&, double, int64_t,
                                   int64_t, int64_t, int64_t);
Tensor call_dropout_add(const Tensor& x, const OptionalTensor& residual, const Tensor& ids, const Tensor& positions,
                        double p, int64_t seed, int64_t step, int64_t layer, int64_t site) {
  return find_op<DropoutAddSignature>("lait::dropout_add").call(x, residual, ids, positions, p, seed, step, layer, site);
}

struct DropoutAdd : torch::autograd::Function<DropoutAdd> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const OptionalTensor& residual, const Tensor& ids,
                        const Tensor& positions, double p, int64_t seed, int64_t step, int64_t layer, int64_t site) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({ids, positions});
    ctx->saved_data["p"] = p;
    ctx->saved_data["ints"] = c10::IValue(std::vector<int64_t>{seed, step, layer, site, residual.has_value()});
    return call_dropout_add(x, residual, ids, positions, p, seed, step, layer, site);
  }
  // The gradient draws the same mask: dx = dropout(dout).
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = ctx->get_saved_variables();
    const double p = ctx->saved_data["p"].toDouble();
    const auto i = ctx->saved_data["ints"].toIntVector();
    variable_list out(9);
    out[0] = p == 0 ? grads[0]
                    : call_dropout_add(grads[0], std::nullopt, t[0], t[1], p, i[0], i[1], i[2], i[3]);
    if (i[4]) out[1] = grads[0];
    return out;
  }
};

Tensor dropout_add_autograd(const Tensor& x, const OptionalTensor& residual, const Tensor& ids, const Tensor& positions,
                            double p, int64_t seed, int64_t step, int64_t layer, int64_t site) {
  return DropoutAdd::apply(x, residual, ids, positions, p, seed, step, layer, site);
}

// ---- gather_rows ------------------------------------------------------------------------------------------------------

Tensor gather_rows_forward(const Tensor& x, const Tensor& index, const Tensor& inverse_offsets, const Tensor& inverse) {
  check_matrix(x, "gather_rows");
  TORCH_CHECK(inverse_offsets.dim() == 1 && inverse_offsets.size(0) == x.size(0) + 1,
              "gather_rows: inverse_offsets must have ", x.size(0) + 1, " elements, got ", inverse_offsets.sizes());
  return at::index_select(x, 0, index);
}

Tensor gather_rows_backward_meta(const Tensor& dout, const Tensor& inverse_offsets, const Tensor& inverse) {
  check_matrix(dout, "gather_rows_backward");
  return at::empty({inverse_offsets.size(0) - 1, dout.size(1)}, dout.options());
}

Tensor gather_rows_backward_cpu(const Tensor& dout_in, const Tensor& inverse_offsets, const Tensor& inverse) {
  const Tensor dout = dout_in.contiguous();
  const Tensor dx = gather_rows_backward_meta(dout, inverse_offsets, inverse);
  kernels::cpu::GatherAdjointParams params;
  params.dtype = kernel_dtype(dout, "gather_rows_backward");
  params.num_out_rows = dx.size(0);
  params.width = dx.size(1);
  params.in = dout.const_data_ptr();
  params.out = dx.mutable_data_ptr();
  params.inverse_offsets = int_pointer(inverse_offsets, -1, "gather_rows_backward", "inverse_offsets");
  params.inverse = int_pointer(inverse, -1, "gather_rows_backward", "inverse");
  params.parallel = parallel_loop;
  kernels::cpu::gather_adjoint(params);
  return dx;
}

using GatherSignature = Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&);
using GatherBackwardSignature = Tensor(const Tensor&, const Tensor&, const Tensor&);

struct GatherRows : torch::autograd::Function<GatherRows> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& index, const Tensor& inverse_offsets,
                        const Tensor& inverse) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({inverse_offsets, inverse});
    return find_op<GatherSignature>("lait::gather_rows").call(x, index, inverse_offsets, inverse);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = ctx->get_saved_variables();
    return {find_op<GatherBackwardSignature>("lait::gather_rows_backward").call(grads[0], t[0], t[1]), {}, {}, {}};
  }
};

Tensor gather_rows_autograd(const Tensor& x, const Tensor& index, const Tensor& inverse_offsets, const Tensor& inverse) {
  return GatherRows::apply(x, index, inverse_offsets, inverse);
}

// ---- unit_mean --------------------------------------------------------------------------------------------------------

Tensor unit_mean_meta(const Tensor& x, const Tensor& offsets) {
  check_matrix(x, "unit_mean");
  return at::empty({offsets.size(0) - 1, x.size(1)}, x.options().dtype(accumulate_type(x)));
}

Tensor unit_mean_backward_meta(const Tensor& dout, const Tensor& offsets, int64_t num_rows, at::ScalarType dtype) {
  check_matrix(dout, "unit_mean_backward");
  return at::empty({num_rows, dout.size(1)}, dout.options().dtype(dtype));
}

kernels::cpu::UnitMeanParams unit_mean_params(const Tensor& rows, const Tensor& in, const Tensor& out,
                                              const Tensor& offsets) {
  kernels::cpu::UnitMeanParams params;
  params.dtype = kernel_dtype(rows, "unit_mean");
  params.num_units = offsets.size(0) - 1;
  params.num_rows = rows.size(0);
  params.width = rows.size(1);
  params.in = in.const_data_ptr();
  params.out = out.mutable_data_ptr();
  params.offsets = int_pointer(offsets, -1, "unit_mean", "offsets");
  params.parallel = parallel_loop;
  return params;
}

Tensor unit_mean_cpu(const Tensor& x_in, const Tensor& offsets) {
  const Tensor x = x_in.contiguous();
  const Tensor out = unit_mean_meta(x, offsets);
  kernels::cpu::unit_mean_forward(unit_mean_params(x, x, out, offsets));
  return out;
}

Tensor unit_mean_backward_cpu(const Tensor& dout_in, const Tensor& offsets, int64_t num_rows, at::ScalarType dtype) {
  const Tensor dout = dout_in.contiguous();
  const Tensor dx = unit_mean_backward_meta(dout, offsets, num_rows, dtype);
  kernels::cpu::unit_mean_backward(unit_mean_params(dx, dout, dx, offsets));
  return dx;
}

using MeanSignature = Tensor(const Tensor&, const Tensor&);
using MeanBackwardSignature = Tensor(const Tensor&, const Tensor&, int64_t, at::ScalarType);

struct UnitMean : torch::autograd::Function<UnitMean> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& offsets) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({offsets});
    ctx->saved_data["rows"] = x.size(0);
    ctx->saved_data["dtype"] = static_cast<int64_t>(x.scalar_type());
    return find_op<MeanSignature>("lait::unit_mean").call(x, offsets);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto dtype = static_cast<at::ScalarType>(ctx->saved_data["dtype"].toInt());
    return {find_op<MeanBackwardSignature>("lait::unit_mean_backward")
                .call(grads[0], ctx->get_saved_variables()[0], ctx->saved_data["rows"].toInt(), dtype),
            {}};
  }
};

Tensor unit_mean_autograd(const Tensor& x, const Tensor& offsets) { return UnitMean::apply(x, offsets); }

TORCH_LIBRARY_IMPL(lait, CPU, m) {
  m.impl("dropout_add", dropout_add_cpu);
  m.impl("gather_rows", gather_rows_forward);
  m.impl("gather_rows_backward", gather_rows_backward_cpu);
  m.impl("unit_mean", unit_mean_cpu);
  m.impl("unit_mean_backward", unit_mean_backward_cpu);
}
TORCH_LIBRARY_IMPL(lait, Meta, m) {
  m.impl("dropout_add", dropout_add_meta);
  m.impl("gather_rows", gather_rows_forward);
  m.impl("gather_rows_backward", gather_rows_backward_meta);
  m.impl("unit_mean", unit_mean_meta);
  m.impl("unit_mean_backward", unit_mean_backward_meta);
}
TORCH_LIBRARY_IMPL(lait, Autograd, m) {
  m.impl("dropout_add", dropout_add_autograd);
  m.impl("gather_rows", gather_rows_autograd);
  m.impl("unit_mean", unit_mean_autograd);
}

}  // namespace

Tensor dropout_add(const Tensor& x, const OptionalTensor& residual, const Tensor& row_unit_ids,
                   const Tensor& row_positions, const kernels::Dropout& d) {
  if (d.p == 0 && !residual) return x;
  return call_dropout_add(x, residual, row_unit_ids, row_positions, d.p, static_cast<int64_t>(d.seed), d.step, d.layer,
                          static_cast<int64_t>(d.site));
}

Tensor gather_rows(const Tensor& x, const Tensor& index, const Tensor& inverse_offsets, const Tensor& inverse) {
  return find_op<GatherSignature>("lait::gather_rows").call(x, index, inverse_offsets, inverse);
}

Tensor unit_mean(const Tensor& x, const Tensor& offsets) {
  return find_op<MeanSignature>("lait::unit_mean").call(x, offsets);
}

}  // namespace lait::ops
