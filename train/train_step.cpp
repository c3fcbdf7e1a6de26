#include "train/train_step.h"

#include <algorithm>
#include <tuple>

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
  std::vector<ModelParameter> parameters = model->parameter_list();
  std::erase_if(parameters, [&](const auto& p) {
    return !p.tensor.requires_grad() || is_vocabulary(p) != vocabulary;
  });
  std::ranges::stable_sort(parameters, {}, [](const ModelParameter& p) {
    const bool table = p.role.part == Part::kEmbedding || p.role.part == Part::kSharedTable;
    return std::tuple(!table, p.role.part == Part::kHead, p.role.layer);
  });
  std::vector<at::Tensor> leaves;
  for (const ModelParameter& parameter : parameters) leaves.push_back(parameter.tensor);
  return leaves;
}

}  // namespace

TrainStep::TrainStep(const Model& model, const TrainingConfig& config, int64_t total_steps,
                     Ranks* ranks)
    : model_(model),
      config_(config),
      optimizer_(model, config, total_steps),
      ranks_(ranks == nullptr ? alone_ : *ranks),
      gradients_(ranks_, leaves_of(model, false), leaves_of(model, true)) {}

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
    const at::Tensor loss = model_->loss(model_->forward(batch, randomness), batch, config_);
    // The gradients become means over the ranks.
    const at::Tensor summand = times(loss, shares[i] * ranks_.size());
    i + 1 == micro_batches.size() ? gradients_.last_backward(summand) : summand.backward();
    const at::Tensor part = times(loss.detach(), shares[i]);
    total = total.defined() ? total + part : part;
  }
  optimizer_.step(step);
  return total;
}

std::vector<std::pair<std::string, at::Tensor>> TrainStep::tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const ModelParameter& parameter : model_->parameter_list())
    out.emplace_back("weight " + parameter.name, parameter.tensor);
  for (const auto& [name, tensor] : optimizer_.state()) out.emplace_back("AdamW's " + name, tensor);
  return out;
}

}  // namespace lait
