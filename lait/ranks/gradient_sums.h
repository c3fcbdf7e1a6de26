// Means of the gradients over the ranks, sent in buckets while backward still runs (c10d::Reducer).
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "lait/ranks/ranks.h"

namespace c10d {
class Reducer;
}

namespace lait {

class GradientSums {
 public:
  // `leaves`: in the order in which forward uses them. `tables`: of which a step uses few rows.
  // Only rows with a gradient are sent, after backward, for theirs come last anyway. On the CPU,
  // since finding the rows would wait for a GPU. Every backward gives each tensor a gradient, on
  // every rank.
  GradientSums(Ranks& ranks, std::vector<at::Tensor> leaves, std::vector<at::Tensor> tables = {});
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  // Calls backward of a step's last micro-batch. Afterwards each tensor's gradient, with what the
  // micro-batches before have added, is the mean over the ranks.
  void last_backward(const at::Tensor& loss);

 private:
  void sum_rows(at::Tensor gradient);

  Ranks& ranks_;
  std::vector<at::Tensor> tables_;
  std::unique_ptr<c10d::Reducer> reducer_;  // null for one process
};

}  // namespace lait
