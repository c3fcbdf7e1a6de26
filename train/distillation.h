// training.distill: what a teacher says of the training data, and the loss of a student that learns
// it beside the labels.
//
//   example's loss = (1 - weight) · c · label's loss + weight · soft loss
//
// c is the label's class weight (1 without). Of an example without a label: its soft loss. A step's
// loss is the mean over its examples, by their weights: (1 - weight) · c + weight, or 1.
#pragma once
#include <cstdint>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/model/model.h"

namespace lait {

class Distillation {
 public:
  // `outputs`: the teacher's for all examples of the data set, on the host, its labels in the
  // student's order. The first num_labelled examples have labels, too. `id`: of the teacher and the
  // texts that it read. Data set and head outlive it.
  Distillation(const Dataset& dataset, const HeadImpl& head, Outputs outputs, int64_t num_labelled,
               double weight, uint32_t id);
  // Of a teacher that says nothing: as much work, to estimate it.
  Distillation(const Dataset& dataset, const HeadImpl& head, int64_t num_labelled, double weight);

  // Of an example in the mean of a step's losses.
  double example_weight(int64_t example) const;
  // Labelled ones first, as a batch needs them; else in their order.
  void sort(std::vector<int64_t>& examples) const;
  // Gives a batch of those examples their soft labels. REQUIRES: they are sorted.
  void add_to(DeviceBatch& batch, const std::vector<int64_t>& examples) const;
  uint32_t id() const { return id_; }

 private:
  Outputs outputs_of(const std::vector<int64_t>& examples) const;
  double label_weight(int64_t example) const;  // (1 - weight) · c

  const Dataset& dataset_;
  const HeadImpl& head_;
  Outputs outputs_;
  int64_t num_labelled_;
  double weight_;
  uint32_t id_ = 0;
};

// The loss of a batch with soft labels, a float scalar.
at::Tensor distilled_loss(const HeadImpl& head, const Outputs& outputs, const DeviceBatch& batch,
                          const TrainingConfig& config);

}  // namespace lait
