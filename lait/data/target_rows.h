// What a decoder reads and writes, beside the encoder's rows: token sequences of each example,
// packed as the encoder's are. In training there is one, the label's; in prediction every label
// that can be.
#pragma once
#include <span>
#include <vector>

#include "lait/data/packing.h"

namespace lait {

// The sequences of an example, each to its end token.
using TargetSequences = std::span<const std::vector<int32_t>>;

// Appends the integers of the sequences, an element for each example, to a batch whose head reads
// all rows, and sets batch.targets. `cuda_head_dim` as in PackPlan.
void pack_targets(PackedBatch& batch, std::span<const TargetSequences> sequences,
                  int32_t start_token, int64_t cuda_head_dim);

}  // namespace lait
