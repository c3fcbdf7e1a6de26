// A PackedBatch on a device: one copy of its integers, and the tensors as views of it.
#pragma once
#include <ATen/core/Tensor.h>

#include "lait/data/packing.h"

namespace lait {

// Moved, never copied: on the CPU the tensors are views of the packed batch's own arrays.
struct DeviceBatch {
  DeviceBatch() = default;
  DeviceBatch(DeviceBatch&&) = default;
  DeviceBatch& operator=(DeviceBatch&&) = default;

  PackedBatch packed;  // shapes; its integers stay on the host
  at::Tensor ints;     // (n) int32 on the device
  at::Tensor labels;   // (B) int64 class indices, or float scores, on the device

  at::Tensor view(const Slice& slice) const { return ints.narrow(0, slice.begin, slice.size); }
  int64_t num_examples() const { return packed.num_examples; }
};

DeviceBatch to_device(PackedBatch batch, at::Device device, bool regression);

}  // namespace lait
