// The position of a training, and the identity of its run: a checkpoint's state.json. It also lists
// the checkpoint's other files with their checksums, and holds its own.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/checkpoint_files.h"
#include "train/log_window.h"

namespace lait {

struct TrainerState {
  int64_t step = 0;             // optimiser steps done
  int64_t epoch = 0;            // of the next batch
  int64_t batch = 0;            // in that epoch, the next one
  int64_t evaluated_step = -1;  // of the last evaluation
  std::optional<double> best;   // of the selection metric
  int64_t best_step = -1;
  int64_t evaluations_without_improvement = 0;  // since the last one
  int64_t skipped_steps = 0;                    // in the lines of the log
};

// What a checkpoint was made with, besides its config.
struct RunIdentity {
  int64_t total_steps = 0;
  std::string precision;               // resolved
  uint32_t train = 0, validation = 0;  // checksums of the data (0: none)
  uint32_t base = 0;                   // of the weights that have adapters (0: none)
  uint32_t teacher = 0;                // of a teacher and what it read (0: none)
  // Sums have another order with another number of threads or ranks, or on another device.
  int threads = 0, ranks = 1;
  std::string device;
};

struct SavedState {
  TrainerState state;
  RunIdentity identity;
  LogWindow window;
  // Of each rank, if there are several: window.loss_sum, the sum of these, has other bits.
  std::vector<double> loss_sums;
  // Of metrics.jsonl when the checkpoint was saved. nullopt: saved before this was counted.
  std::optional<int64_t> metrics_lines;
  // Of best/ when the checkpoint was saved; empty: there was none, or it was not summed up then.
  std::vector<FileSum> best_files;
};

// Writes state.json into a checkpoint's folder, after its other files. Throws WriteError.
void write_state(const std::filesystem::path& checkpoint, const SavedState& saved);
// Reads a checkpoint's state.json and checks all of the checkpoint's files. Throws UserError that
// names the first damaged one, or UnreadableFile. (Checkpoints of versions without checksums are
// not checked.)
SavedState read_state(const std::filesystem::path& checkpoint);
// Throws UserError if the checkpoint was saved by another run than `now`. Threads, ranks and
// device may differ.
void check_same_run(const std::filesystem::path& checkpoint, const RunIdentity& then,
                    const RunIdentity& now);

// Whether a training of so many steps can be there.
bool is_possible(const TrainerState& state, int64_t total_steps);
// A warning that sums have another order than those of the run; "": they have not.
std::string other_order_of_sums(const RunIdentity& then, const RunIdentity& now);

struct ResumePoint {
  std::filesystem::path checkpoint;
  SavedState saved;
};
// The newest checkpoint that is whole. Calls warn() with one line for each newer one, which says
// what is wrong with it. Throws UserError if none is whole, and UnreadableFile where it cannot be
// told. REQUIRES: newest first, at least one.
ResumePoint find_resume_point(const std::vector<std::filesystem::path>& checkpoints,
                              const std::function<void(const std::string&)>& warn);

}  // namespace lait
