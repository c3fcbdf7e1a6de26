// One optimiser step: forward and backward of the micro-batches, sums over the ranks, clipping,
// update. Between the batches on the device and the end of the step, nothing is read back to the
// host.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lait/model/model.h"
#include "lait/ranks/gradient_sums.h"
#include "train/optimizer.h"

namespace lait {

class TrainStep {
 public:
  // `ranks` outlives it. Null: one process.
  TrainStep(const Model& model, const TrainingConfig& config, int64_t total_steps,
            Ranks* ranks = nullptr);
  // Returns the mean loss over all examples of the micro-batches, a device scalar. `step` counts
  // from 0; it is part of the dropout key and sets the learning rate.
  at::Tensor run(std::span<const DeviceBatch> micro_batches, int64_t step);
  // The same with a weight for each micro-batch's mean loss. The weights of all ranks add up to 1;
  // returns this rank's part of the sum.
  at::Tensor run(std::span<const DeviceBatch> micro_batches, std::span<const double> shares,
                 int64_t step);
  // Weights and moments, by names for messages.
  std::vector<std::pair<std::string, at::Tensor>> tensors() const;
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }

 private:
  Model model_;
  TrainingConfig config_;
  Optimizer optimizer_;
  Ranks alone_;
  Ranks& ranks_;
  GradientSums gradients_;
};

}  // namespace lait
