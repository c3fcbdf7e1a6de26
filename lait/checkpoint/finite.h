// Finds tensors with values that are not finite: before they are loaded, and before they replace
// finite ones on the disk.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace lait {

struct NotFinite {
  std::string name;
  bool is_nan;  // else an infinity
};

// The tensors that hold an infinity or a NaN, also after conversion to float, in the given order.
// Reads each tensor once and waits once for the device. REQUIRES: all tensors are on one device.
std::vector<NotFinite> not_finite(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace lait
