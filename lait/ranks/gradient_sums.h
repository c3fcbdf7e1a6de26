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
  // `leaves`: in the order in which forward uses them; every backward gives each of them a
  // gradient, on every rank.
  GradientSums(Ranks& ranks, std::vector<at::Tensor> leaves);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  // Calls backward of a step's last micro-batch. Afterwards each leaf's gradient, with what the
  // micro-batches before have added, is the mean over the ranks.
  void last_backward(const at::Tensor& loss);

 private:
  Ranks& ranks_;
  std::unique_ptr<c10d::Reducer> reducer_;  // null for one process
};

}  // namespace lait
