#include "train/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "lait/base/error.h"
#include "train/learning_rate.h"

namespace lait {

Optimizer::Optimizer(const Model& model, const TrainingConfig& config, int64_t total_steps)
    : model_(model), config_(config), total_steps_(total_steps) {
  std::map<std::pair<double, double>, size_t> known;  // by learning rate and weight decay
  for (const ModelParameter& leaf : model_->parameter_list()) {
    using Kind = ParameterRole::Kind;
    const at::Tensor& parameter = leaf.tensor;
    if (!parameter.requires_grad()) continue;  // frozen
    const bool decays = leaf.role.kind == Kind::kMatrix || leaf.role.kind == Kind::kTable;
    const double rate = config.learning_rate *
                        learning_rate_share(config, leaf, model_->config.num_hidden_layers),
                 decay = decays ? config.weight_decay : 0;
    const auto [found, is_new] = known.emplace(std::pair{rate, decay}, groups_.size());
    if (is_new) groups_.push_back({rate, decay, {}, {}, {}, {}, {}});
    Group& group = groups_[found->second];
    order_.push_back(parameter);
    group.names.push_back(leaf.name);
    group.parameters.push_back(parameter);
    group.exp_avg.push_back(at::zeros_like(parameter.detach()));
    group.exp_avg_sq.push_back(at::zeros_like(parameter.detach()));
    group.updates.push_back(
        at::zeros({}, parameter.options().dtype(at::kFloat).requires_grad(false)));
  }
}

double Optimizer::learning_rate(int64_t step) const {
  return config_.learning_rate * learning_rate_factor(config_, step, total_steps_);
}

void Optimizer::step(int64_t step) {
  at::NoGradGuard no_grad;
  // Parameters without a gradient are not read by the head. They are not updated.
  struct Lists {
    std::vector<at::Tensor> parameters, gradients, exp_avg, exp_avg_sq, updates;
  };
  std::vector<Lists> lists(groups_.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < groups_[g].parameters.size(); ++i) {
      const at::Tensor& gradient = groups_[g].parameters[i].grad();
      if (!gradient.defined()) continue;
      lists[g].parameters.push_back(groups_[g].parameters[i]);
      lists[g].gradients.push_back(gradient);
      lists[g].exp_avg.push_back(groups_[g].exp_avg[i]);
      lists[g].exp_avg_sq.push_back(groups_[g].exp_avg_sq[i]);
      lists[g].updates.push_back(groups_[g].updates[i]);
    }
  }
  std::vector<at::Tensor> all_gradients;
  for (const at::Tensor& parameter : order_) {
    if (parameter.grad().defined()) all_gradients.push_back(parameter.grad());
  }
  if (all_gradients.empty()) return;
  gradient_norm_ = at::linalg_vector_norm(at::stack(at::_foreach_norm(all_gradients, 2)), 2);
  // The update divides gradients by this. It is 1 if the norm is within the limit.
  std::optional<at::Tensor> divisor;
  if (config_.max_grad_norm > 0)
    divisor = ((gradient_norm_ + 1e-6) / config_.max_grad_norm).clamp_min(1.0);
  // With a gradient that is not finite, the step changes nothing, not even the counts of updates.
  const at::Tensor skipped = at::isfinite(gradient_norm_).logical_not().to(at::kFloat);
  const double factor = learning_rate_factor(config_, step, total_steps_);
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (lists[g].parameters.empty()) continue;
    at::_foreach_add_(lists[g].updates, 1 - skipped);
    at::_fused_adamw_(lists[g].parameters, lists[g].gradients, lists[g].exp_avg,
                      lists[g].exp_avg_sq,
                      /*max_exp_avg_sqs=*/{}, lists[g].updates, groups_[g].learning_rate * factor,
                      config_.beta1, config_.beta2, groups_[g].weight_decay, config_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, divisor, /*found_inf=*/skipped);
  }
  for (Group& group : groups_) {
    for (at::Tensor& parameter : group.parameters) parameter.mutable_grad().reset();
  }
  model_->refresh_shadows();
}

std::vector<std::pair<std::string, at::Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      out.emplace_back("exp_avg." + group.names[i], group.exp_avg[i]);
      out.emplace_back("exp_avg_sq." + group.names[i], group.exp_avg_sq[i]);
      out.emplace_back("updates." + group.names[i], group.updates[i]);
    }
  }
  return out;
}

void Optimizer::restore(const SafetensorsFile& file) {
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : state()) {
    if (!file.has(name)) {
      throw UserError(
          fmt::format("{}: expected a tensor '{}', got none; start over with --overwrite",
                      file.path().string(), name));
    }
    const at::Tensor saved = file.tensor(name);
    if (saved.sizes() != tensor.sizes() || saved.scalar_type() != tensor.scalar_type()) {
      throw UserError(
          fmt::format("{}: tensor '{}' does not fit the model; start over with --overwrite",
                      file.path().string(), name));
    }
    tensor.copy_(saved);
  }
}

}  // namespace lait
