// Finds tensors with values that are not finite, before they replace finite ones on the disk.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace lait {

// The names of the tensors that hold an infinity or a NaN, in the given order. Reads each tensor
// once and waits once for the device. REQUIRES: all tensors are on one device, none is empty.
std::vector<std::string> not_finite(const std::vector<std::pair<std::string, at::Tensor>>& tensors);

}  // namespace lait
