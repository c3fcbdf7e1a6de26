// The order of an epoch that brings examples together which share segments, so that a batch holds
// few distinct ones: it encodes each once.
#pragma once
#include <cstdint>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/dataset.h"

namespace lait {

// Batches hold examples of at least so many groups, unless the rest of an epoch has fewer.
inline constexpr int64_t kFewestGroups = 4;

// Whether training.share_segments asks for this order. `auto`: if more than half of the tokens of
// all examples' sequences are repeats.
bool shares_segments(const Dataset& dataset, const TrainingConfig& config);

// Every example once. A group is the examples with the same most valuable segment: the one whose
// repeats have the most tokens. Groups are shuffled and dealt out to kFewestGroups lanes of about
// the same number of examples, and each `batch_examples` in a row take a share from each lane;
// inside a group, examples that share their second most valuable segment stay together, too.
std::vector<int64_t> shared_order(const Dataset& dataset, int64_t batch_examples, uint64_t seed,
                                  uint32_t epoch);

}  // namespace lait
