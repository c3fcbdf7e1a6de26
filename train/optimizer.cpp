#include "train/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

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
                                                      const at::Tensor& exp_avg,
                                                      const at::Tensor& exp_avg_sq,
                                                      const at::Tensor& updates) {
  return {{"exp_avg." + parameter, exp_avg},
          {"exp_avg_sq." + parameter, exp_avg_sq},
          {"updates." + parameter, updates}};
}

}  // namespace

Optimizer::Optimizer(const Model& model, const TrainingConfig& config, int64_t total_steps,
                     Ranks* ranks)
    : model_(model),
      config_(config),
      total_steps_(total_steps),
      ranks_(ranks == nullptr ? alone_ : *ranks),
      order_(model_->trained_parameters()) {
  shards_ = config.shard_optimizer == Switch::kOn && ranks_.size() > 1;
  owners_ =
      shards_ ? owners_of(order_, ranks_.size()) : std::vector<int>(order_.size(), ranks_.rank());
  std::map<std::pair<double, double>, size_t> known;  // by learning rate and weight decay
  for (size_t p = 0; p < order_.size(); ++p) {
    using Kind = ParameterRole::Kind;
    const ModelParameter& leaf = order_[p];
    const at::Tensor& parameter = leaf.tensor;
    if (owners_[p] != ranks_.rank()) continue;
    const bool decays = leaf.role.kind == Kind::kMatrix || leaf.role.kind == Kind::kTable;
    const double rate = config.learning_rate * learning_rate_share(config, leaf, *model_),
                 decay = decays ? config.weight_decay : 0;
    const auto [found, is_new] = known.emplace(std::pair{rate, decay}, groups_.size());
    if (is_new) groups_.push_back({rate, decay, {}, {}, {}, {}, {}});
    Group& group = groups_[found->second];
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
  for (const ModelParameter& leaf : order_) {
    if (leaf.tensor.grad().defined()) all_gradients.push_back(leaf.tensor.grad());
  }
  if (all_gradients.empty()) return;
  gradient_norm_ = at::linalg_vector_norm(at::stack(at::_foreach_norm(all_gradients, 2)), 2);
  // The update divides gradients by this. It is 1 if the norm is within the limit.
  std::optional<at::Tensor> divisor;
  if (config_.max_grad_norm > 0)
    divisor = ((gradient_norm_ + 1e-6) / config_.max_grad_norm).clamp_min(1.0);
  // With a gradient that is not finite, the step changes nothing, not even the counts of updates.
  changed_ = at::isfinite(gradient_norm_).to(at::kFloat);
  const at::Tensor skipped = 1 - changed_;
  const double factor = learning_rate_factor(config_, step, total_steps_);
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (lists[g].parameters.empty()) continue;
    at::_foreach_add_(lists[g].updates, changed_);
    at::_fused_adamw_(lists[g].parameters, lists[g].gradients, lists[g].exp_avg,
                      lists[g].exp_avg_sq,
                      /*max_exp_avg_sqs=*/{}, lists[g].updates, groups_[g].learning_rate * factor,
                      config_.beta1, config_.beta2, groups_[g].weight_decay, config_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, divisor, /*found_inf=*/skipped);
  }
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
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      std::ranges::move(
          named(group.names[i], group.exp_avg[i], group.exp_avg_sq[i], group.updates[i]),
          std::back_inserter(out));
    }
  }
  return out;
}

std::vector<std::pair<std::string, at::Tensor>> Optimizer::whole_state() {
  const auto mine = state();
  if (!shards_) return ranks_.is_first() ? mine : decltype(state()){};
  const std::map<std::string, at::Tensor> kept(mine.begin(), mine.end());
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (size_t p = 0; p < order_.size(); ++p) {
    const at::Tensor like = order_[p].tensor.detach();
    const at::Tensor none = at::empty({}, like.options());
    const bool is_mine = owners_[p] == ranks_.rank();
    std::vector<at::Tensor> sent;
    for (const auto& [name, shape] : named(order_[p].name, like, like, none)) {
      const at::Tensor& tensor = sent.emplace_back(is_mine ? kept.at(name) : at::empty_like(shape));
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
