// `lait-bench train-step` and `lait-bench predict`: examples/s for each P, of training steps or of
// predictions, with segments that examples share encoded once, or once for each example, and of
// transformers.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lait/config/override.h"

namespace lait {

struct ModelBench {
  // Predictions instead of training steps.
  bool predicts = false;
  // A file, or the name of a shipped config; its training data is measured.
  std::string config{};
  std::vector<Override> overrides{};
  // Empty: 0 to L.
  std::vector<int64_t> independent_layers{};
  // Also measure batches without sharing.
  bool unshared = false;
  // Training steps with frozen embeddings and independent layers, and the same whose states come
  // from a store (cache.dir). P = 0 is left out.
  bool from_store = false;
  // A Python with transformers, whose stock model is measured, too; "": none.
  std::string python{};
  // Batches of an epoch, evenly spaced, each a step.
  int64_t steps = 6;
  double max_milliseconds = 20000;
  std::string json{};
};

// Prints a table, and writes JSON if a path is given. All models take turns on the same number of
// batches. Throws UserError.
int bench_model(const ModelBench& bench);

// The script that runs the stock model, a co-process (stock_model_peer.py).
extern const std::string_view kStockModelPeer;

}  // namespace lait
