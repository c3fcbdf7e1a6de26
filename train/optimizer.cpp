#include "train/optimizer.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <map>

#include "lait/ranks/balance.h"
#include "train/learning_rate.h"

namespace lait {

namespace {

// The rank that updates each parameter.
std::vector<int> owners_of(const std::vector<ModelParameter>& parameters, int num_ranks) {
  std::vector<double> sizes, load(num_ranks);
  for (const ModelParameter& leaf : parameters)
    sizes.push_back(static_cast<double>(leaf.tensor.numel()));
  return deal_out(sizes, load);
}

// Of a parameter, by the names that checkpoints have.
std::vector<std::pair<std::string, at::Tensor>> named(const std::string& parameter,
                                                      const NamedState& state) {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const auto& [name, tensor] : state) out.emplace_back(name + ("." + parameter), tensor);
  return out;
}

}  // namespace

Optimizer::Optimizer(const Model& model, const TrainingConfig& config, int64_t total_steps,
                     Ranks* ranks)
    : model_(model),
      config_(config),
      total_steps_(total_steps),
      rule_(make_update_rule(config)),
      ranks_(ranks == nullptr ? alone_ : *ranks),
      order_(model_->trained_parameters()) {
  shards_ = config.shard_optimizer == Switch::kOn && ranks_.size() > 1;
  owners_ =
      shards_ ? owners_of(order_, ranks_.size()) : std::vector<int>(order_.size(), ranks_.rank());
  for (size_t p = 0; p < order_.size(); ++p) {
    using Kind = ParameterRole::Kind;
    const ModelParameter& leaf = order_[p];
    if (owners_[p] != ranks_.rank()) continue;
    const bool decays = leaf.role.kind == Kind::kMatrix || leaf.role.kind == Kind::kTable;
    mine_.push_back({.leaf = leaf,
                     .learning_rate = learning_rate_of(config, leaf, *model_),
                     .weight_decay = decays ? config.weight_decay : 0,
                     .state = rule_->state_of(leaf)});
  }
}

double Optimizer::learning_rate(int64_t step) const {
  return config_.learning_rate * learning_rate_factor(config_, step, total_steps_);
}

void Optimizer::step(int64_t step) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> all_gradients;
  for (const ModelParameter& leaf : order_) {
    if (leaf.tensor.grad().defined()) all_gradients.push_back(leaf.tensor.grad());
  }
  if (all_gradients.empty()) return;
  gradient_norm_ = at::linalg_vector_norm(at::stack(at::_foreach_norm(all_gradients, 2)), 2);
  StepScalars scalars;
  // It is 1 if the norm is within the limit.
  if (config_.max_grad_norm > 0)
    scalars.divisor = ((gradient_norm_ + 1e-6) / config_.max_grad_norm).clamp_min(1.0);
  // With a gradient that is not finite, the step changes nothing, not even the counts of updates.
  scalars.changed = changed_ = at::isfinite(gradient_norm_).to(at::kFloat);
  // Parameters without a gradient are not read by the head. They are not updated.
  std::vector<TrainedParameter*> updated;
  for (TrainedParameter& parameter : mine_) {
    if (parameter.leaf.tensor.grad().defined()) updated.push_back(&parameter);
  }
  if (!updated.empty())
    rule_->update(updated, learning_rate_factor(config_, step, total_steps_), scalars);
  for (const ModelParameter& leaf : order_) leaf.tensor.mutable_grad().reset();
  if (shards_) send_parameters();
  model_->refresh_shadows();
}

void Optimizer::send_parameters() {
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    std::vector<at::Tensor> parameters;
    for (size_t p = 0; p < order_.size(); ++p) {
      if (owners_[p] == rank) parameters.push_back(order_[p].tensor.detach());
    }
    ranks_.broadcast(parameters, rank);
  }
}

std::vector<std::pair<std::string, at::Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const TrainedParameter& parameter : mine_)
    std::ranges::move(named(parameter.leaf.name, parameter.state), std::back_inserter(out));
  return out;
}

std::vector<std::pair<std::string, at::Tensor>> Optimizer::whole_state() {
  const auto mine = state();
  if (!shards_) return ranks_.is_first() ? mine : decltype(state()){};
  const std::map<std::string, at::Tensor> kept(mine.begin(), mine.end());
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (size_t p = 0; p < order_.size(); ++p) {
    const bool is_mine = owners_[p] == ranks_.rank();
    std::vector<at::Tensor> sent;
    for (const auto& [name, like] : named(order_[p].name, state_without_data(*rule_, order_[p]))) {
      const at::Tensor& tensor = sent.emplace_back(
          is_mine ? kept.at(name) : at::empty_like(like, order_[p].tensor.device()));
      // From a GPU to the host's memory, one parameter at a time.
      if (ranks_.is_first()) out.emplace_back(name, tensor);
    }
    ranks_.broadcast(sent, owners_[p]);
    if (!ranks_.is_first() || is_mine) continue;
    for (size_t i = out.size() - sent.size(); i < out.size(); ++i)
      out[i].second = out[i].second.cpu();
  }
  return out;
}

}  // namespace lait
