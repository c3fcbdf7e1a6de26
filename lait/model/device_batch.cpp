#include "lait/model/device_batch.h"

#include <ATen/ops/from_blob.h>

namespace lait {

namespace {

// From pinned memory and without waiting; LibTorch keeps that memory until the copy is done.
at::Tensor copy_to(const at::Tensor& host, at::Device device) {
  return device.is_cpu() ? host : host.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace

DeviceBatch to_device(PackedBatch batch, at::Device device, bool regression) {
  DeviceBatch out;
  out.packed = std::move(batch);
  PackedBatch& packed = out.packed;
  // The host's own arrays back the tensors on the CPU (they live as long as the batch); elsewhere one copy is made of each.
  const at::Tensor ints =
      at::from_blob(packed.ints.data(), {static_cast<int64_t>(packed.ints.size())}, at::kInt);
  const at::Tensor labels = at::from_blob(packed.labels.data(), {packed.num_examples}, at::kDouble);
  out.ints = copy_to(ints, device);
  out.labels = copy_to(labels.to(regression ? at::kFloat : at::kLong), device);
  return out;
}

}  // namespace lait
