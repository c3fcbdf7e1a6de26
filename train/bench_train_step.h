// `lait-bench train-step`: examples/s of training steps for each P, with segments that examples
// share encoded once, once for each example, and of transformers.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lait/config/override.h"

namespace lait {

struct TrainStepBench {
  // A file, or the name of a shipped config.
  std::string config{};
  std::vector<Override> overrides{};
  // Empty: 0 to L.
  std::vector<int64_t> independent_layers{};
  // Also measure batches without sharing.
  bool unshared = false;
  // A Python with transformers, whose stock model is measured, too; "": none.
  std::string python{};
  // Batches of an epoch, evenly spaced, each a step.
  int64_t steps = 6;
  double max_milliseconds = 20000;
  std::string json{};
};

// Prints a table, and writes JSON if a path is given. All models take turns on the same number of
// batches. Throws UserError.
int bench_train_step(const TrainStepBench& bench);

// The script that trains the stock model, a co-process (train_step_peer.py).
extern const std::string_view kTrainStepPeer;

}  // namespace lait
