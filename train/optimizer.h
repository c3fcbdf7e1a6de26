// AdamW with a learning rate for each part of the model, no weight decay on biases and norms, and
// clipping by the global norm inside the update: nothing is read back from the device. Frozen
// parameters have no moments and are not updated.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "lait/checkpoint/safetensors.h"
#include "lait/config/config.h"
#include "lait/model/model.h"

namespace lait {

class Optimizer {
 public:
  Optimizer(const Model& model, const TrainingConfig& config, int64_t total_steps);
  // Updates the leaves from their clipped gradients, refreshes the model's compute-dtype copies and
  // drops the gradients. `step` counts from 0. If their norm is not finite, the step changes
  // nothing.
  void step(int64_t step);
  double learning_rate(int64_t step) const;  // of the encoder
  // Of the last step, before clipping. A device scalar.
  at::Tensor gradient_norm() const { return gradient_norm_; }
  // Moments and update counts by parameter name ("exp_avg.NAME", …), for checkpoints.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  // Takes them from a file with state()'s tensors. Throws UserError if one is missing or has
  // another shape.
  void restore(const SafetensorsFile& file);

 private:
  struct Group {
    double learning_rate, weight_decay;
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters, exp_avg, exp_avg_sq, updates;
  };
  Model model_;
  TrainingConfig config_;
  int64_t total_steps_;
  std::vector<Group> groups_;
  // All parameters, in the order of summation for the norm.
  std::vector<at::Tensor> order_;
  at::Tensor gradient_norm_;
};

}  // namespace lait
