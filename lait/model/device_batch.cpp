#include "lait/model/device_batch.h"

#include <ATen/ops/from_blob.h>

namespace lait {

DeviceBatch to_device(PackedBatch batch, at::Device device, bool regression) {
  DeviceBatch out;
  out.packed = std::move(batch);
  PackedBatch& packed = out.packed;
  // The host's own arrays back the tensors on the CPU (they live as long as the batch); elsewhere one copy is made of each.
  const at::Tensor ints = at::from_blob(packed.ints.data(), {static_cast<int64_t>(packed.ints.size())}, at::kInt);
  const at::Tensor labels = at::from_blob(packed.labels.data(), {packed.num_examples}, at::kDouble);
  out.ints = device.is_cpu() ? ints : ints.to(device);
  out.labels = labels.to(at::TensorOptions().device(device).dtype(regression ? at::kFloat : at::kLong));
  return out;
}

}  // namespace lait
