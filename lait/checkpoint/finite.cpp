#include "lait/checkpoint/finite.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/stack.h>

#include <cmath>

namespace lait {

// A NaN among a tensor's values is its minimum and its maximum.
std::vector<NotFinite> not_finite(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> names;
  std::vector<at::Tensor> extremes;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.numel() == 0) continue;
    const auto [low, high] = at::aminmax(tensor.detach());
    names.push_back(name);
    extremes.insert(extremes.end(), {low.to(at::kFloat), high.to(at::kFloat)});
  }
  if (names.empty()) return {};
  const at::Tensor on_host = at::stack(extremes).to(at::kCPU).contiguous();
  const float* values = on_host.const_data_ptr<float>();
  std::vector<NotFinite> found;
  for (size_t i = 0; i < names.size(); ++i) {
    const float low = values[2 * i], high = values[2 * i + 1];
    if (!std::isfinite(low) || !std::isfinite(high))
      found.push_back({names[i], std::isnan(low) || std::isnan(high)});
  }
  return found;
}

}  // namespace lait
