// An optimiser with a learning rate for each part of the model, no weight decay on biases and
// norms, and clipping by the global norm inside the update: nothing is read back from the device.
// Frozen parameters have no state and are not updated.
//
// With training.shard_optimizer (ZeRO-1, arXiv 1910.02054, by whole parameters) each rank keeps the
// state of a part of the parameters, updates these, and sends them to the others.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lait/config/config.h"
#include "lait/model/model.h"
#include "lait/ranks/ranks.h"
#include "train/update_rule.h"

namespace lait {

class Optimizer {
 public:
  // `ranks` outlives it. Null: one process.
  Optimizer(const Model& model, const TrainingConfig& config, int64_t total_steps,
            Ranks* ranks = nullptr);
  // Updates the leaves from their clipped gradients, refreshes the model's compute-dtype copies and
  // drops the gradients. `step` counts from 0. If their norm is not finite, the step changes
  // nothing. All ranks have the same gradients.
  void step(int64_t step);
  double learning_rate(int64_t step) const;  // of the encoder
  // Of the last step, before clipping. A device scalar.
  at::Tensor gradient_norm() const { return gradient_norm_; }
  // Whether the last step changed anything: 1 or 0. A device scalar.
  at::Tensor changed() const { return changed_; }
  // "AdamW", for messages.
  const char* name() const { return rule_->name(); }
  // What the rule keeps, by parameter name ("exp_avg.NAME", …): of those that this rank updates.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  // For checkpoints: on the first rank those of all parameters, on the others none. All call it.
  std::vector<std::pair<std::string, at::Tensor>> whole_state();

 private:
  void send_parameters();

  Model model_;
  TrainingConfig config_;
  int64_t total_steps_;
  std::unique_ptr<UpdateRule> rule_;
  // Those that this rank updates.
  std::vector<TrainedParameter> mine_;
  Ranks alone_;
  Ranks& ranks_;
  // All trained parameters, in the order of summation for the norm, and which rank updates each.
  std::vector<ModelParameter> order_;
  std::vector<int> owners_;
  bool shards_ = false;
  at::Tensor gradient_norm_, changed_;
};

}  // namespace lait
