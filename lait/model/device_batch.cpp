#include "lait/model/device_batch.h"

#include <ATen/ops/from_blob.h>

namespace lait {

// LibTorch keeps the pinned memory until the copy is complete.
at::Tensor copy_to(const at::Tensor& host, at::Device device) {
  return device.is_cpu() ? host : host.pin_memory().to(device, /*non_blocking=*/true);
}

DeviceBatch to_device(PackedBatch batch, const at::Tensor& labels, at::Device device) {
  DeviceBatch out;
  out.packed = std::move(batch);
  std::vector<int32_t>& ints = out.packed.ints;
  // On the CPU the tensor is a view of the batch's own array, which lives as long; on other devices
  // it is a copy.
  out.ints = copy_to(at::from_blob(ints.data(), {std::ssize(ints)}, at::kInt), device);
  if (labels.defined()) out.labels = copy_to(labels, device);
  return out;
}

}  // namespace lait
