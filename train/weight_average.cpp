#include "train/weight_average.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace lait {

WeightAverage::WeightAverage(const Model& model, double decay)
    : model_(model), decay_(decay), leaves_(model_->trained_parameters()) {
  for (const ModelParameter& leaf : leaves_) averages_.push_back(leaf.tensor.detach().clone());
}

void WeightAverage::update(int64_t step, const at::Tensor& changed) {
  const at::NoGradGuard no_grad;
  const auto done = static_cast<double>(step);
  const double decay = std::min(decay_, (1 + done) / (10 + done));
  const at::Tensor share = changed * (1 - decay);
  for (size_t i = 0; i < leaves_.size(); ++i) averages_[i].lerp_(leaves_[i].tensor, share);
}

void WeightAverage::swap() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < leaves_.size(); ++i) {
    const at::Tensor weight = leaves_[i].tensor.detach(), kept = weight.clone();
    weight.copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
  model_->refresh_shadows();
}

std::vector<std::pair<std::string, at::Tensor>> WeightAverage::tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (size_t i = 0; i < leaves_.size(); ++i)
    out.emplace_back("average." + leaves_[i].name, averages_[i]);
  return out;
}

}  // namespace lait
