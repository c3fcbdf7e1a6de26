// oneDNN's products from weights in its blocked form, which LibTorch offers as operators for its
// compiled models.
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <string_view>

#include "kernels/row_multiple.h"
#include "lait/ops/ops.h"
#include "lait/ops/rms_norm.h"

namespace lait::ops {
namespace {

using at::Tensor;
using kernels::kRowMultiple;

Tensor blocked(const Tensor& weight) {
  static const auto reorder = c10::Dispatcher::singleton()
                                  .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                                  .typed<Tensor(const Tensor&, std::optional<int64_t>)>();
  return reorder.call(weight, kRowMultiple);
}

Tensor product(const Tensor& x, const Tensor& blocked, const Tensor& bias) {
  using Product =
      Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
             c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto multiply = c10::Dispatcher::singleton()
                                   .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                   .typed<Product>();
  return multiply.call(x, blocked, bias.defined() ? std::optional(bias) : std::nullopt, "none",
                       c10::List<std::optional<at::Scalar>>(), "");
}

// Of few rows and of all.
bool has_bits_of_linear(const Tensor& weight, const Tensor& blocked) {
  for (const int64_t rows : {kRowMultiple, weight.size(0) / kRowMultiple * kRowMultiple}) {
    const Tensor x = weight.narrow(0, 0, rows);
    if (!at::equal(product(x, blocked, {}), linear(x, weight, {}, weight, {}))) return false;
  }
  return true;
}

}  // namespace

Tensor blocked_weight(const Tensor& weight) {
  const bool has_form = weight.scalar_type() == at::kBFloat16 && weight.device().is_cpu() &&
                        cpu_has_bf16_gemm() && weight.size(0) >= kRowMultiple;
  if (!has_form) return {};
  const at::NoGradGuard no_grad;
  const Tensor rows = weight.contiguous(), out = blocked(rows);
  return has_bits_of_linear(rows, out) ? out : Tensor();
}

Tensor linear_of_blocked(const Tensor& x, const Tensor& blocked, const Tensor& bias_shadow,
                         const InputNorm& norm) {
  TORCH_CHECK(x.dim() == 2 && x.size(0) % kRowMultiple == 0,
              "linear_of_blocked: rows must be a multiple of ", kRowMultiple, ", got ", x.sizes());
  return product(norm.weight.defined() ? rms_norm(x, norm.weight, norm.epsilon) : x, blocked,
                 bias_shadow);
}

}  // namespace lait::ops
