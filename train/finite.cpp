#include "train/finite.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/stack.h>

#include <cmath>

namespace lait {

// A NaN among a tensor's values is its minimum and its maximum.
std::vector<std::string> not_finite(
    const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  if (tensors.empty()) return {};
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> extremes;
  for (const auto& [name, tensor] : tensors) {
    const auto [low, high] = at::aminmax(tensor.detach());
    extremes.insert(extremes.end(), {low, high});
  }
  const at::Tensor on_host = at::stack(extremes).to(at::kCPU, at::kFloat).contiguous();
  const float* values = on_host.const_data_ptr<float>();
  std::vector<std::string> found;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!std::isfinite(values[2 * i]) || !std::isfinite(values[2 * i + 1]))
      found.push_back(tensors[i].first);
  }
  return found;
}

}  // namespace lait
