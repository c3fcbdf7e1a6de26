// A PackedBatch on a device: one copy of its integers, and the tensors as views of it.
// ModelImpl::to_batch creates it.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "lait/data/packing.h"

namespace lait {

// Keys and values of sequences that have no rows in a batch.
class StoredKeysValues {
 public:
  virtual ~StoredKeysValues() = default;
  // (n, 2 H D) of each sequence, in the order of KeptRows::stored. Valid until the next call.
  virtual std::vector<at::Tensor> of_layer(int64_t layer) = 0;
};

// What a batch brings instead of tokens (Enters): what its sequences became before.
struct EnteringStates {
  size_t step = 0;                // that the states enter
  at::Tensor rows;                // (T of level 0, C)
  at::Tensor segment_means = {};  // (units of level 0, C) float; undefined: the run computes them
  std::shared_ptr<StoredKeysValues> keys_values = {};
  // Units of level 0 that are not filled in yet. REQUIRES, for a forward: none.
  std::vector<int64_t> missing = {};
};

// What a teacher says of the examples, of which the first have labels, too. The batch's loss is
// Σ weights[i] · soft_loss[i] + hard_weight · the mean loss of the labelled ones.
struct SoftTargets {
  at::Tensor outputs;  // as the model's
  at::Tensor weights;  // (B) float
  int64_t num_labelled = 0;
  double hard_weight = 0;
};

// Moved, never copied: on the CPU the tensors are views of the packed batch's own arrays.
struct DeviceBatch {
  DeviceBatch() = default;
  DeviceBatch(DeviceBatch&&) = default;
  DeviceBatch& operator=(DeviceBatch&&) = default;

  // The shapes; the integers stay on the host.
  PackedBatch packed;
  at::Tensor ints;    // (n) int32 on the device
  at::Tensor labels;  // as returned by the head's `labels`, on the device
  std::optional<SoftTargets> soft;
  std::optional<EnteringStates> entering;

  at::Tensor view(const Slice& slice) const { return ints.narrow(0, slice.begin, slice.size); }
  int64_t num_examples() const { return packed.num_examples; }
};

// From pinned memory and without waiting; on the CPU the tensor itself.
at::Tensor copy_to(const at::Tensor& host, at::Device device);
// `labels` are on the host; they may be undefined.
DeviceBatch to_device(PackedBatch batch, const at::Tensor& labels, at::Device device);

}  // namespace lait
