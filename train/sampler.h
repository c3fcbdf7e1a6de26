// The order of training. It depends on (seed, epoch) only, so a resumed run needs no generator
// state.
#pragma once
#include <cstdint>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/model/model.h"

namespace lait {

// The batches of one epoch: every example once, shuffled. Batches hold examples of similar length:
// a pool of kPoolBatches batches is sorted by length and cut into batches, which are then shuffled.
// Or they hold examples that share segments (shared_order.h).
inline constexpr int64_t kPoolBatches = 50;
std::vector<std::vector<int64_t>> epoch_batches(const Dataset& dataset,
                                                const TrainingConfig& config, int64_t epoch);

// How training makes batches of a config.
inline BatchOptions batch_options(const TrainingConfig& config) {
  return {.share_segments = config.share_segments != ShareSegments::kOff};
}

// The length of a training: optimiser steps, and the epochs that they make.
struct TrainingLength {
  int64_t steps = 0;
  double epochs = 0;
};
TrainingLength training_length(const Dataset& dataset, const TrainingConfig& config);

}  // namespace lait
