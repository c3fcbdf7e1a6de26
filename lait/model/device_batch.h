// A PackedBatch on a device: one copy of its integers, and the tensors as views of it.
// ModelImpl::to_batch creates it.
#pragma once
#include <ATen/core/Tensor.h>

#include "lait/data/packing.h"

namespace lait {

// Moved, never copied: on the CPU the tensors are views of the packed batch's own arrays.
struct DeviceBatch {
  DeviceBatch() = default;
  DeviceBatch(DeviceBatch&&) = default;
  DeviceBatch& operator=(DeviceBatch&&) = default;

  // The shapes; the integers stay on the host.
  PackedBatch packed;
  at::Tensor ints;    // (n) int32 on the device
  at::Tensor labels;  // as returned by the head's `labels`, on the device

  at::Tensor view(const Slice& slice) const { return ints.narrow(0, slice.begin, slice.size); }
  int64_t num_examples() const { return packed.num_examples; }
};

// `labels` are on the host; they may be undefined.
DeviceBatch to_device(PackedBatch batch, const at::Tensor& labels, at::Device device);

}  // namespace lait
