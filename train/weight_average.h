// The exponential moving average of the trained weights (training.ema).
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "lait/model/model.h"

namespace lait {

class WeightAverage {
 public:
  // Begins with the model's weights.
  WeightAverage(const Model& model, double decay);
  // After the update of `step`, which counts from 0: average = d average + (1 - d) weights with d =
  // min(decay, (1 + step) / (10 + step)), so that the first weights do not count for long (as
  // TensorFlow's ExponentialMovingAverage with num_updates). `changed`, a device scalar: 1, or 0 if
  // the step was left out, which changes nothing.
  void update(int64_t step, const at::Tensor& changed);
  // The model gets the average, and this the model's weights, to the bit.
  void swap();
  // "average.NAME", for checkpoints.
  std::vector<std::pair<std::string, at::Tensor>> tensors() const;

 private:
  Model model_;
  double decay_;
  std::vector<ModelParameter> leaves_;
  std::vector<at::Tensor> averages_;
};

}  // namespace lait
