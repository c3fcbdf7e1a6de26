// One optimiser step: forward and backward of the micro-batches, sums over the ranks, clipping,
// update. Between the batches on the device and the end of the step, nothing is read back to the
// host.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lait/checkpoint/safetensors.h"
#include "lait/model/lora.h"
#include "lait/model/model.h"
#include "lait/ranks/gradient_sums.h"
#include "train/optimizer.h"
#include "train/weight_average.h"

namespace lait {

class TrainStep {
 public:
  // The weights of all ranks become the first one's. `ranks` outlives it. Null: one process.
  TrainStep(const Model& model, const TrainingConfig& config, int64_t total_steps,
            Ranks* ranks = nullptr);
  // Returns the mean loss over all examples of the micro-batches, a device scalar. `step` counts
  // from 0; it is part of the dropout key and sets the learning rate. REQUIRES: classes have no
  // weights.
  at::Tensor run(std::span<const DeviceBatch> micro_batches, int64_t step);
  // The same with a weight for each micro-batch's mean loss. The weights of all ranks add up to 1;
  // returns this rank's part of the sum.
  at::Tensor run(std::span<const DeviceBatch> micro_batches, std::span<const double> shares,
                 int64_t step);
  // Weights, this rank's moments and averages, by names for messages.
  std::vector<std::pair<std::string, at::Tensor>> tensors() const;
  // What a checkpoint has besides the weights: on the first rank moments, adapters and averages, on
  // the others nothing. All ranks call it.
  std::vector<std::pair<std::string, at::Tensor>> whole_state();
  // Takes this rank's part from a file with whole_state()'s tensors. Throws UserError if one is
  // missing or has another shape.
  void restore(const SafetensorsFile& file);

  // While it lives, the model has the weights that are validated and saved as the best ones: the
  // average, if there is one, with the adapters in them.
  class AsSaved {
   public:
    explicit AsSaved(TrainStep& step);
    ~AsSaved();
    AsSaved(const AsSaved&) = delete;
    AsSaved& operator=(const AsSaved&) = delete;

   private:
    TrainStep& step_;
    const bool was_;  // it is another one's already
    std::optional<MergedLora> merged_;
  };
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }

 private:
  std::vector<std::pair<std::string, at::Tensor>> shared_state() const;

  Model model_;
  TrainingConfig config_;
  Optimizer optimizer_;
  Ranks alone_;
  Ranks& ranks_;
  GradientSums gradients_;
  std::optional<WeightAverage> average_;
  bool is_as_saved_ = false;
};

}  // namespace lait
