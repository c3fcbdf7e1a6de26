#include "lait/model/layers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numbers>

#include "lait/ops/ops.h"

namespace lait {

at::Tensor gather(const at::Tensor& x, const DeviceBatch& batch, const Gather& indices) {
  return ops::gather_rows(x, batch.view(indices.index), batch.view(indices.inverse_offsets),
                          batch.view(indices.inverse));
}

std::shared_ptr<torch::nn::Module> add_child(torch::nn::Module& parent, const char* name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

void refresh_shadow(at::Tensor& shadow, const at::Tensor& leaf, at::ScalarType compute_dtype) {
  const at::NoGradGuard no_grad;
  if (compute_dtype == at::kFloat) {
    shadow = leaf.detach();
    return;
  }
  if (!shadow.defined() || shadow.device() != leaf.device())
    shadow = at::empty(leaf.sizes(), leaf.options().dtype(compute_dtype).requires_grad(false));
  shadow.copy_(leaf);
}

LinearImpl::LinearImpl(int64_t in, int64_t out, at::ScalarType compute_dtype, bool has_bias)
    : compute_dtype_(compute_dtype) {
  weight = register_parameter("weight", at::zeros({out, in}, at::kFloat));
  if (has_bias) bias = register_parameter("bias", at::zeros({out}, at::kFloat));
}

void LinearImpl::refresh_shadows() {
  refresh_shadow(weight_shadow_, weight, compute_dtype_);
  if (bias.defined()) refresh_shadow(bias_shadow_, bias, compute_dtype_);
  keeps_blocked_ = false;
  blocked_.clear();
}

const at::Tensor& LinearImpl::blocked(int64_t begin, int64_t size,
                                      const at::Tensor& weight_shadow) {
  for (const Blocked& known : blocked_)
    if (known.begin == begin && known.size == size) return known.weight;
  blocked_.push_back({begin, size, ops::blocked_weight(weight_shadow)});
  return blocked_.back().weight;
}

at::Tensor LinearImpl::product(const at::Tensor& x, int64_t begin, int64_t size,
                               const ops::InputNorm& norm) {
  TORCH_CHECK(weight_shadow_.defined(),
              "Linear: refresh_shadows has not been called since the weights were set");
  const auto part = [&](const at::Tensor& whole) {
    return whole.defined() && size < whole.size(0) ? whole.narrow(0, begin, size) : whole;
  };
  const at::Tensor weight_part = part(weight_shadow_), bias_part = part(bias_shadow_);
  if (keeps_blocked_ && !at::GradMode::is_enabled()) {
    const at::Tensor& known = blocked(begin, size, weight_part);
    if (known.defined()) return ops::linear_of_blocked(x, known, bias_part, norm);
  }
  return ops::linear(x, part(weight), part(bias), weight_part, bias_part, norm);
}

at::Tensor LinearImpl::outputs(const at::Tensor& x_in, const RowNames& rows,
                               const Randomness& randomness, int64_t begin, int64_t size,
                               const ops::InputNorm& norm) {
  if (lora_.empty() || lora_is_merged_) return product(x_in, begin, size, norm);
  // Adapters read it, too.
  const at::Tensor x =
      norm.weight.defined() ? ops::rms_norm(x_in, norm.weight, norm.epsilon) : x_in;
  at::Tensor y = product(x, begin, size);
  const kernels::Dropout dropout = randomness.at(lora_dropout_, lora_site_);
  const auto kept = [&] {
    return dropout.p > 0 ? ops::dropout_add(x, std::nullopt, rows.unit_ids, rows.positions, dropout)
                         : x;
  };
  const auto multiply = [](const at::Tensor& input, const at::Tensor& matrix) {
    return ops::linear(input, matrix, {}, matrix.detach().to(input.scalar_type()), {});
  };
  // Each by itself, so that a part's bits do not depend on which others are computed.
  at::Tensor input;
  std::vector<at::Tensor> columns;
  int64_t done = 0;
  const auto zeros_to = [&](int64_t end) {
    if (end > done) columns.push_back(at::zeros({x.size(0), end - done}, y.options()));
  };
  for (const LoraPart& part : lora_) {
    const int64_t first = part.begin - begin;
    if (first < 0 || first + part.b.size(0) > size) continue;
    if (!input.defined()) input = kept();
    zeros_to(first);
    columns.push_back(multiply(multiply(input, part.a), part.b));
    done = first + part.b.size(0);
  }
  if (columns.empty()) return y;
  zeros_to(size);
  return y.add_(columns.size() == 1 ? columns[0] : at::cat(columns, 1), lora_scale_);
}

void LinearImpl::add_lora(std::vector<LoraPart> parts, double scale, double dropout,
                          kernels::Site site) {
  TORCH_CHECK(lora_.empty(), "Linear: has adapters already");
  for (LoraPart& part : parts) {
    const std::string number = std::to_string(lora_.size());
    part.a = register_parameter("lora_a" + number, part.a);
    part.b = register_parameter("lora_b" + number, part.b);
    lora_.push_back(std::move(part));
  }
  lora_scale_ = scale;
  lora_dropout_ = dropout;
  lora_site_ = site;
}

void LinearImpl::merge_lora() {
  const at::NoGradGuard no_grad;
  for (const LoraPart& part : lora_) {
    weight.narrow(0, part.begin, part.b.size(0)).addmm_(part.b, part.a, /*beta=*/1, lora_scale_);
  }
  lora_is_merged_ = true;
}

void LinearImpl::unmerge_lora(const at::Tensor& before) {
  const at::NoGradGuard no_grad;
  weight.copy_(before);
  lora_is_merged_ = false;
}

LayerNormImpl::LayerNormImpl(int64_t width, double epsilon) : epsilon_(epsilon) {
  weight = register_parameter("weight", at::ones({width}, at::kFloat));
  bias = register_parameter("bias", at::zeros({width}, at::kFloat));
}

at::Tensor LayerNormImpl::forward(const at::Tensor& x) {
  // In float throughout: LibTorch's mixed-dtype kernel sums the gradients of weight and bias in
  // bf16.
  return at::layer_norm(x.to(at::kFloat), {weight.size(0)}, weight, bias, epsilon_)
      .to(x.scalar_type());
}

RmsNormImpl::RmsNormImpl(int64_t width, double epsilon) : epsilon_(epsilon) {
  weight = register_parameter("weight", at::ones({width}, at::kFloat));
}

at::Tensor RmsNormImpl::forward(const at::Tensor& x) { return ops::rms_norm(x, weight, epsilon_); }

DenseNormImpl::DenseNormImpl(int64_t in, int64_t out, double epsilon,
                             at::ScalarType compute_dtype) {
  dense = register_module("dense", Linear(in, out, compute_dtype));
  norm = register_module("LayerNorm", LayerNorm(out, epsilon));
}

at::Tensor DenseNormImpl::forward(const at::Tensor& x, const at::Tensor& residual,
                                  const RowNames& rows, const Randomness& randomness,
                                  double dropout, kernels::Site site) {
  return norm(ops::dropout_add(dense->adapted(x, rows, randomness), residual, rows.unit_ids,
                               rows.positions, randomness.at(dropout, site)));
}

void fill_normal(at::Tensor weight, uint64_t seed, double std) {
  at::NoGradGuard no_grad;
  float* w = weight.mutable_data_ptr<float>();
  const auto uniform = [](uint32_t word) { return (word + 0.5) / 4294967296.0; };
  for (int64_t i = 0; i < weight.numel(); i += 2) {  // Box-Muller: two words, two normals
    const auto words =
        kernels::philox(static_cast<uint32_t>(i), 0, 0, 0xFFFFFFFFu, static_cast<uint32_t>(seed),
                        static_cast<uint32_t>(seed >> 32));
    const double radius = std * std::sqrt(-2 * std::log(uniform(words.word[0])));
    const double angle = 2 * std::numbers::pi * uniform(words.word[1]);
    w[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < weight.numel()) w[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace lait
