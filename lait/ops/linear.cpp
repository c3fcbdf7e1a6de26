// y = x W^T + b, the one matrix product of the model. The weights are float leaves; the product
// reads their copies in the compute dtype, called shadows in the code.
//
// Row law: with a multiple of 16 rows, a row's bits do not depend on the other rows. (Measured for
// oneDNN's bf16 without AMX and for MKL; on Intel's CPUs MKL needs its strict mode, see
// lait/model/initialize.h.) If a CPU does not multiply bf16 faster than float, the bf16 product
// runs in float on the bf16 values and rounds once, as the hardware does.
#include <ATen/cpu/Utils.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>

#include "kernels/cpu/dispatch.h"
#include "kernels/row_multiple.h"
#include "lait/ops/ops.h"
#include "lait/ops/rms_norm.h"

namespace lait::ops {
namespace {

using at::Tensor;
using kernels::kRowMultiple;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Whether the product runs in float and is then rounded.
bool in_float(const Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && x.device().is_cpu() && !cpu_has_bf16_gemm();
}

// (R, K), (N, K), (N) or none -> (R, N)
Tensor product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (in_float(x)) {
    const Tensor rows = x.to(at::kFloat), transposed = weight.to(at::kFloat).t();
    const Tensor y = bias.defined() ? at::addmm(bias.to(at::kFloat), rows, transposed)
                                    : at::mm(rows, transposed);
    return y.to(x.scalar_type());
  }
  return at::linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

Tensor input_gradient(const Tensor& dy, const Tensor& weight) {  // (R, N), (N, K) -> (R, K)
  if (in_float(dy)) return at::mm(dy.to(at::kFloat), weight.to(at::kFloat)).to(dy.scalar_type());
  return at::mm(dy, weight);
}

Tensor weight_gradient(const Tensor& dy, const Tensor& x) {  // (R, N), (R, K) -> (N, K) float
  if (in_float(dy)) return at::mm(dy.to(at::kFloat).t(), x.to(at::kFloat));
  return at::mm(dy.t(), x).to(at::kFloat);
}

struct Linear : torch::autograd::Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias, const Tensor& weight_shadow,
                        const std::optional<Tensor>& bias_shadow) {
    at::AutoDispatchBelowADInplaceOrView below;
    // Only the weight's gradient needs x.
    ctx->save_for_backward({weight.requires_grad() ? x : Tensor(), weight_shadow});
    ctx->saved_data["has_bias"] = bias.has_value();
    return product(x, weight_shadow, bias_shadow.value_or(Tensor()));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    variable_list out(5);
    if (ctx->needs_input_grad(0)) out[0] = input_gradient(dy, t[1]);
    if (ctx->needs_input_grad(1)) out[1] = weight_gradient(dy, t[0]);
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2))
      out[2] = dy.sum({0}, /*keepdim=*/false, at::kFloat);
    return out;
  }
};

// Of rms_norm(x).
struct NormLinear : torch::autograd::Function<NormLinear> {
  // needs_input_grad counts tensors only, so the number comes last.
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& norm_weight,
                        const Tensor& weight, const std::optional<Tensor>& bias,
                        const Tensor& weight_shadow, const std::optional<Tensor>& bias_shadow,
                        double epsilon) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [normed, rstd] = rms_norm_and_scale(x, norm_weight, epsilon);
    ctx->save_for_backward({x, norm_weight, rstd, weight_shadow});
    ctx->saved_data["epsilon"] = epsilon;
    ctx->saved_data["has_bias"] = bias.has_value();
    return product(normed, weight_shadow, bias_shadow.value_or(Tensor()));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    variable_list out(7);
    if (ctx->needs_input_grad(0) || ctx->needs_input_grad(1))
      std::tie(out[0], out[1]) = rms_norm_gradients(input_gradient(dy, t[3]), t[0], t[1], t[2]);
    if (ctx->needs_input_grad(2)) {
      const double epsilon = ctx->saved_data["epsilon"].toDouble();
      out[2] = weight_gradient(dy, std::get<0>(rms_norm_and_scale(t[0], t[1], epsilon)));
    }
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(3))
      out[3] = dy.sum({0}, /*keepdim=*/false, at::kFloat);
    return out;
  }
};

}  // namespace

bool cpu_has_bf16_gemm() {
  static const bool has = [] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    const auto amx = capabilities.find("amx_bf16");
    return (amx != capabilities.end() && amx->second.toBool()) ||
           kernels::cpu::fast_bf16_products();
  }();
  return has;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Tensor& weight_shadow, const Tensor& bias_shadow, const InputNorm& norm) {
  TORCH_CHECK(x.dim() == 2 && x.size(1) == weight.size(1), "linear: x must be (rows, ",
              weight.size(1), "), got ", x.sizes());
  TORCH_CHECK(x.size(0) % kRowMultiple == 0, "linear: rows must be a multiple of ", kRowMultiple,
              ", got ", x.size(0));
  TORCH_CHECK(x.scalar_type() == weight_shadow.scalar_type(), "linear: x is ", x.scalar_type(),
              ", the weight's compute-dtype copy ", weight_shadow.scalar_type());
  const bool has_norm = norm.weight.defined();
  if (!at::GradMode::is_enabled()) {
    return product(has_norm ? rms_norm(x, norm.weight, norm.epsilon) : x, weight_shadow,
                   bias_shadow);
  }
  const auto given = [](const Tensor& b) { return b.defined() ? std::optional(b) : std::nullopt; };
  if (has_norm) {
    return NormLinear::apply(x, norm.weight, weight, given(bias), weight_shadow, given(bias_shadow),
                             norm.epsilon);
  }
  return Linear::apply(x, weight, given(bias), weight_shadow, given(bias_shadow));
}

}  // namespace lait::ops
