// The position of a training, and the identity of its run: a checkpoint's state.json.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace lait {

struct TrainerState {
  int64_t step = 0;             // optimiser steps done
  int64_t epoch = 0;            // of the next batch
  int64_t batch = 0;            // in that epoch, the next one
  int64_t evaluated_step = -1;  // of the last evaluation
  std::optional<double> best;   // of the selection metric
  int64_t best_step = -1;
};

// What a checkpoint was made with, besides its config.
struct RunIdentity {
  int64_t total_steps = 0;
  std::string precision;               // resolved
  uint32_t train = 0, validation = 0;  // checksums of the data (0: none)
  // Sums have another order with another number of threads or on another device.
  int threads = 0;
  std::string device;
};

// Throws WriteError.
void write_state(const std::filesystem::path& file, const TrainerState& state,
                 const RunIdentity& identity);

struct SavedState {
  TrainerState state;
  RunIdentity identity;
};
// Throws UserError if the file is damaged or belongs to another run than `identity`. Threads and
// device may differ.
SavedState read_state(const std::filesystem::path& file, const RunIdentity& identity);

}  // namespace lait
