#include "train/train_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "lait/base/error.h"
#include "train/distillation.h"

namespace lait {
namespace {

// Whether a step uses few rows of it.
bool is_vocabulary(const ModelParameter& parameter) {
  constexpr int64_t kManyRows = 4096;
  return parameter.role.part == ParameterRole::Part::kEmbedding && parameter.tensor.is_cpu() &&
         parameter.tensor.size(0) >= kManyRows;
}

// The trained ones in the order of forward: tables, layers, head.
std::vector<at::Tensor> leaves_of(const Model& model, bool vocabulary) {
  using Part = ParameterRole::Part;
  std::vector<ModelParameter> parameters = model->trained_parameters();
  std::erase_if(parameters, [&](const auto& p) { return is_vocabulary(p) != vocabulary; });
  std::ranges::stable_sort(parameters, {}, [](const ModelParameter& p) {
    const bool table = p.role.part == Part::kEmbedding || p.role.part == Part::kSharedTable;
    const bool behind = p.role.part == Part::kTop || p.role.part == Part::kHead;
    return std::tuple(!table, behind, p.role.part, p.role.layer);
  });
  std::vector<at::Tensor> leaves;
  for (const ModelParameter& parameter : parameters) leaves.push_back(parameter.tensor);
  return leaves;
}

void copy_from(const SafetensorsFile& file,
               const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
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

}  // namespace

TrainStep::TrainStep(const Model& model, const TrainingConfig& config, int64_t total_steps,
                     Ranks* ranks)
    : model_(model),
      config_(config),
      optimizer_(model, config, total_steps, ranks),
      ranks_(ranks == nullptr ? alone_ : *ranks),
      gradients_(ranks_, leaves_of(model, false), leaves_of(model, true)) {
  model_->encoder->set_recompute(config.recompute == Switch::kOn);
  std::vector<at::Tensor> weights;
  for (const at::Tensor& parameter : model_->parameters()) weights.push_back(parameter.detach());
  ranks_.broadcast(weights);
  if (ranks_.size() > 1) model_->refresh_shadows();
  if (config.ema) average_.emplace(model_, *config.ema);
}

at::Tensor TrainStep::run(std::span<const DeviceBatch> micro_batches, int64_t step) {
  int64_t num_examples = 0;
  for (const DeviceBatch& batch : micro_batches) num_examples += batch.num_examples();
  std::vector<double> shares;
  for (const DeviceBatch& batch : micro_batches) {
    shares.push_back(static_cast<double>(batch.num_examples()) / static_cast<double>(num_examples));
  }
  return run(micro_batches, shares, step);
}

at::Tensor TrainStep::run(std::span<const DeviceBatch> micro_batches,
                          std::span<const double> shares, int64_t step) {
  const Randomness randomness{
      .training = true, .seed = config_.seed, .step = static_cast<uint32_t>(step)};
  const auto times = [](const at::Tensor& loss, double factor) {
    return factor == 1 ? loss : loss * factor;
  };
  at::Tensor total;
  for (size_t i = 0; i < micro_batches.size(); ++i) {
    const DeviceBatch& batch = micro_batches[i];
    const Outputs outputs = model_->forward(batch, randomness);
    const at::Tensor loss = batch.soft ? distilled_loss(*model_->head, outputs, batch, config_)
                                       : model_->loss(outputs, batch, config_);
    // The gradients become means over the ranks.
    const at::Tensor summand = times(loss, shares[i] * ranks_.size());
    i + 1 == micro_batches.size() ? gradients_.last_backward(summand) : summand.backward();
    const at::Tensor part = times(loss.detach(), shares[i]);
    total = total.defined() ? total + part : part;
  }
  optimizer_.step(step);
  if (average_) average_->update(step, optimizer_.changed());
  return total;
}

std::vector<std::pair<std::string, at::Tensor>> TrainStep::tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const ModelParameter& parameter : model_->parameter_list())
    out.emplace_back("weight " + parameter.name, parameter.tensor);
  for (const auto& [name, tensor] : optimizer_.state())
    out.emplace_back(fmt::format("{}'s {}", optimizer_.name(), name), tensor);
  std::ranges::move(shared_state(), std::back_inserter(out));
  return out;
}

// Of all ranks the same.
std::vector<std::pair<std::string, at::Tensor>> TrainStep::shared_state() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const ModelParameter& parameter : lora_parameters(*model_))
    out.emplace_back("adapter." + parameter.name, parameter.tensor.detach());
  if (average_) std::ranges::move(average_->tensors(), std::back_inserter(out));
  return out;
}

std::vector<std::pair<std::string, at::Tensor>> TrainStep::whole_state() {
  auto out = optimizer_.whole_state();
  if (ranks_.is_first()) std::ranges::move(shared_state(), std::back_inserter(out));
  return out;
}

void TrainStep::restore(const SafetensorsFile& file) {
  copy_from(file, optimizer_.state());
  copy_from(file, shared_state());
}

TrainStep::AsSaved::AsSaved(TrainStep& step) : step_(step), was_(step.is_as_saved_) {
  if (was_) return;
  if (step_.average_) step_.average_->swap();
  merged_.emplace(step_.model_);
  step_.is_as_saved_ = true;
}

TrainStep::AsSaved::~AsSaved() {
  if (was_) return;
  merged_.reset();
  if (step_.average_) step_.average_->swap();
  step_.is_as_saved_ = false;
}

}  // namespace lait
