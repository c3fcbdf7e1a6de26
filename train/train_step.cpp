#include "train/train_step.h"

namespace lait {

at::Tensor TrainStep::run(std::span<const DeviceBatch> micro_batches, int64_t step) {
  int64_t num_examples = 0;
  for (const DeviceBatch& batch : micro_batches) num_examples += batch.num_examples();
  const Randomness randomness{
      .training = true, .seed = config_.seed, .step = static_cast<uint32_t>(step)};
  at::Tensor total;
  for (const DeviceBatch& batch : micro_batches) {
    at::Tensor loss = model_->loss(model_->forward(batch, randomness), batch, config_);
    if (micro_batches.size() > 1) {
      loss = loss * (static_cast<double>(batch.num_examples()) / static_cast<double>(num_examples));
    }
    loss.backward();
    total = total.defined() ? total + loss.detach() : loss.detach();
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
