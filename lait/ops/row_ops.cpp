// lait::dropout_add, gather_rows, unit_mean and rms_norm over kernels/row_ops.h: the CPU
// implementations, meta and autograd. The CUDA implementations are in lait/cuda.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "lait/ops/ops.h"
#include "lait/ops/rms_norm.h"
#include "lait/ops/row_ops_call.h"

namespace lait::ops {
namespace {

using namespace rowwise;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Signature>
auto find_op(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// Each is looked up once.
const auto& dropout_add_op() {
  static const auto op =
      find_op<Tensor(const Tensor&, const OptionalTensor&, const Tensor&, const Tensor&, double,
                     int64_t, int64_t, int64_t, int64_t)>("lait::dropout_add");
  return op;
}

const auto& gather_rows_op() {
  static const auto op =
      find_op<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&)>(
          "lait::gather_rows");
  return op;
}

const auto& gather_rows_backward_op() {
  static const auto op =
      find_op<Tensor(const Tensor&, const Tensor&, const Tensor&)>("lait::gather_rows_backward");
  return op;
}

const auto& unit_mean_op() {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&)>("lait::unit_mean");
  return op;
}

const auto& unit_mean_backward_op() {
  static const auto op = find_op<Tensor(const Tensor&, const Tensor&, int64_t, at::ScalarType)>(
      "lait::unit_mean_backward");
  return op;
}

const auto& rms_norm_op() {
  static const auto op =
      find_op<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, double)>("lait::rms_norm");
  return op;
}

const auto& rms_norm_backward_op() {
  static const auto op = find_op<std::tuple<Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&)>("lait::rms_norm_backward");
  return op;
}

// ---- dropout_add --------------------------------------------------------------------------------

Tensor dropout_add_cpu(const Tensor& x, const OptionalTensor& residual, const Tensor& row_unit_ids,
                       const Tensor& row_positions, double p, int64_t seed, int64_t step,
                       int64_t layer, int64_t site) {
  return rowwise::dropout_add(kernels::cpu::dropout_add, x, residual, row_unit_ids, row_positions,
                              p, seed, step, layer, site);
}

struct DropoutAdd : torch::autograd::Function<DropoutAdd> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const OptionalTensor& residual,
                        const Tensor& ids, const Tensor& positions, double p, int64_t seed,
                        int64_t step, int64_t layer, int64_t site) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({ids, positions});
    ctx->saved_data["p"] = p;
    ctx->saved_data["ints"] =
        c10::IValue(std::vector<int64_t>{seed, step, layer, site, residual.has_value()});
    return dropout_add_op().call(x, residual, ids, positions, p, seed, step, layer, site);
  }
  // The gradient draws the same mask: dx = dropout(dout).
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = ctx->get_saved_variables();
    const double p = ctx->saved_data["p"].toDouble();
    const auto i = ctx->saved_data["ints"].toIntVector();
    variable_list out(9);
    out[0] = p == 0 ? grads[0]
                    : dropout_add_op().call(grads[0], std::nullopt, t[0], t[1], p, i[0], i[1], i[2],
                                            i[3]);
    if (i[4]) out[1] = grads[0];
    return out;
  }
};

Tensor dropout_add_autograd(const Tensor& x, const OptionalTensor& residual, const Tensor& ids,
                            const Tensor& positions, double p, int64_t seed, int64_t step,
                            int64_t layer, int64_t site) {
  return DropoutAdd::apply(x, residual, ids, positions, p, seed, step, layer, site);
}

struct ReluDropout : torch::autograd::Function<ReluDropout> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& ids,
                        const Tensor& positions, double p, int64_t seed, int64_t step,
                        int64_t layer, int64_t site) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor out = dropout_add_op().call(at::relu(x), std::nullopt, ids, positions, p, seed,
                                             step, layer, site);
    ctx->save_for_backward({out});
    ctx->saved_data["p"] = p;
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    variable_list out(8);
    out[0] = at::threshold_backward(grads[0], ctx->get_saved_variables()[0], 0)
                 .mul_(1 / (1 - ctx->saved_data["p"].toDouble()));
    return out;
  }
};

// ---- gather_rows --------------------------------------------------------------------------------

Tensor gather_rows_backward_cpu(const Tensor& dout, const Tensor& inverse_offsets,
                                const Tensor& inverse) {
  return rowwise::gather_rows_backward(kernels::cpu::gather_adjoint, dout, inverse_offsets,
                                       inverse);
}

struct GatherRows : torch::autograd::Function<GatherRows> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& index,
                        const Tensor& inverse_offsets, const Tensor& inverse) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({inverse_offsets, inverse});
    return gather_rows_op().call(x, index, inverse_offsets, inverse);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = ctx->get_saved_variables();
    return {gather_rows_backward_op().call(grads[0], t[0], t[1]), {}, {}, {}};
  }
};

Tensor gather_rows_autograd(const Tensor& x, const Tensor& index, const Tensor& inverse_offsets,
                            const Tensor& inverse) {
  return GatherRows::apply(x, index, inverse_offsets, inverse);
}

// ---- unit_mean ----------------------------------------------------------------------------------

Tensor unit_mean_cpu(const Tensor& x, const Tensor& offsets) {
  return rowwise::unit_mean(kernels::cpu::unit_mean_forward, x, offsets);
}

Tensor unit_mean_backward_cpu(const Tensor& dout, const Tensor& offsets, int64_t num_rows,
                              at::ScalarType dtype) {
  return rowwise::unit_mean_backward(kernels::cpu::unit_mean_backward, dout, offsets, num_rows,
                                     dtype);
}

struct UnitMean : torch::autograd::Function<UnitMean> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& offsets) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({offsets});
    ctx->saved_data["rows"] = x.size(0);
    ctx->saved_data["dtype"] = static_cast<int64_t>(x.scalar_type());
    return unit_mean_op().call(x, offsets);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto dtype = static_cast<at::ScalarType>(ctx->saved_data["dtype"].toInt());
    return {unit_mean_backward_op().call(grads[0], ctx->get_saved_variables()[0],
                                         ctx->saved_data["rows"].toInt(), dtype),
            {}};
  }
};

Tensor unit_mean_autograd(const Tensor& x, const Tensor& offsets) {
  return UnitMean::apply(x, offsets);
}

// ---- rms_norm -----------------------------------------------------------------------------------

std::tuple<Tensor, Tensor> rms_norm_cpu(const Tensor& x, const Tensor& weight, double epsilon) {
  return rowwise::rms_norm(kernels::cpu::rms_norm, x, weight, epsilon);
}

std::tuple<Tensor, Tensor> rms_norm_backward_cpu(const Tensor& dout, const Tensor& x,
                                                 const Tensor& weight, const Tensor& rstd) {
  return rowwise::rms_norm_backward(kernels::cpu::rms_norm_backward, dout, x, weight, rstd);
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                               double epsilon) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [out, rstd] = rms_norm_op().call(x, weight, epsilon);
    ctx->save_for_backward({x, weight, rstd});
    ctx->mark_non_differentiable({rstd});
    ctx->set_materialize_grads(false);
    return {out, rstd};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    if (!grads[0].defined()) return variable_list(3);
    const auto t = ctx->get_saved_variables();
    const auto [dx, dweight] = rms_norm_backward_op().call(grads[0], t[0], t[1], t[2]);
    return {dx, dweight, {}};
  }
};

std::tuple<Tensor, Tensor> rms_norm_autograd(const Tensor& x, const Tensor& weight,
                                             double epsilon) {
  const variable_list out = RmsNorm::apply(x, weight, epsilon);
  return {out[0], out[1]};
}

TORCH_LIBRARY_IMPL(lait, CPU, m) {
  m.impl("dropout_add", dropout_add_cpu);
  m.impl("gather_rows", rowwise::gather_rows);
  m.impl("gather_rows_backward", gather_rows_backward_cpu);
  m.impl("unit_mean", unit_mean_cpu);
  m.impl("unit_mean_backward", unit_mean_backward_cpu);
  m.impl("rms_norm", rms_norm_cpu);
  m.impl("rms_norm_backward", rms_norm_backward_cpu);
}
TORCH_LIBRARY_IMPL(lait, Meta, m) {
  m.impl("dropout_add", dropout_add_meta);
  m.impl("gather_rows", rowwise::gather_rows);
  m.impl("gather_rows_backward", gather_rows_backward_meta);
  m.impl("unit_mean", unit_mean_meta);
  m.impl("unit_mean_backward", unit_mean_backward_meta);
  m.impl("rms_norm", rms_norm_meta);
  m.impl("rms_norm_backward", rms_norm_backward_meta);
}
TORCH_LIBRARY_IMPL(lait, Autograd, m) {
  m.impl("dropout_add", dropout_add_autograd);
  m.impl("gather_rows", gather_rows_autograd);
  m.impl("unit_mean", unit_mean_autograd);
  m.impl("rms_norm", rms_norm_autograd);
}

}  // namespace

Tensor dropout_add(const Tensor& x, const OptionalTensor& residual, const Tensor& row_unit_ids,
                   const Tensor& row_positions, const kernels::Dropout& d) {
  if (d.p == 0 && !residual) return x;
  return dropout_add_op().call(x, residual, row_unit_ids, row_positions, d.p,
                               static_cast<int64_t>(d.seed), d.step, d.layer,
                               static_cast<int64_t>(d.site));
}

Tensor relu_dropout(const Tensor& x, const Tensor& row_unit_ids, const Tensor& row_positions,
                    const kernels::Dropout& d) {
  if (d.p == 0) return at::relu(x);
  return ReluDropout::apply(x, row_unit_ids, row_positions, d.p, static_cast<int64_t>(d.seed),
                            d.step, d.layer, static_cast<int64_t>(d.site));
}

Tensor gather_rows(const Tensor& x, const Tensor& index, const Tensor& inverse_offsets,
                   const Tensor& inverse) {
  return gather_rows_op().call(x, index, inverse_offsets, inverse);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon) {
  return std::get<0>(rms_norm_op().call(x, weight, epsilon));
}

std::tuple<Tensor, Tensor> rms_norm_and_scale(const Tensor& x, const Tensor& weight,
                                              double epsilon) {
  return rms_norm_op().call(x, weight, epsilon);
}

std::tuple<Tensor, Tensor> rms_norm_gradients(const Tensor& dout, const Tensor& x,
                                              const Tensor& weight, const Tensor& rstd) {
  return rms_norm_backward_op().call(dout, x, weight, rstd);
}

Tensor unit_mean(const Tensor& x, const Tensor& offsets) { return unit_mean_op().call(x, offsets); }

}  // namespace lait::ops
