// One optimiser step: forward and backward of the micro-batches, clipping, update. Between the
// batches on the device and the end of the step, nothing is read back to the host.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lait/model/model.h"
#include "train/optimizer.h"

namespace lait {

class TrainStep {
 public:
  TrainStep(const Model& model, const TrainingConfig& config, int64_t total_steps)
      : model_(model), config_(config), optimizer_(model, config, total_steps) {}
  // Returns the mean loss over all examples of the micro-batches, a device scalar. `step` counts
  // from 0; it is part of the dropout key and sets the learning rate.
  at::Tensor run(std::span<const DeviceBatch> micro_batches, int64_t step);
  // Weights and moments, by names for messages.
  std::vector<std::pair<std::string, at::Tensor>> tensors() const;
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }

 private:
  Model model_;
  TrainingConfig config_;
  Optimizer optimizer_;
};

}  // namespace lait
