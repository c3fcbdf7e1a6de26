// Estimates the cost of a training before it starts: memory is counted from shapes, time is
// measured on a few batches of the run.
#pragma once
#include <cstdint>

#include "lait/data/dataset.h"
#include "lait/model/model.h"
#include "train/run_inputs.h"

namespace lait {

// Bytes of the tensors that training needs besides the program and its data, to know before any
// step whether they fit. Not counted: LibTorch's own buffers, what the heap keeps between tensors,
// and evaluation, which keeps nothing for backward.
struct MemoryEstimate {
  int64_t weights = 0;      // float leaves, their average, and the encoder's compute-dtype copies
  int64_t optimizer = 0;    // what it keeps, of all ranks if it is sharded
  int64_t gradients = 0;    // of the leaves that the head reads
  int64_t activations = 0;  // kept for backward by the first epoch's largest micro-batch
  // The peak of gradients, activations and the working memory of backward.
  int64_t backward = 0;
  int64_t largest_batch_rows = 0;  // rows of its widest level
  int64_t total() const { return weights + optimizer + backward; }
};
// Of the largest batch of the first epoch, or of `batches`, at the P that takes most. REQUIRES:
// there is one. Allocates no tensor.
MemoryEstimate estimate_memory(const Model& model, const Dataset& train,
                               const TrainingConfig& config);
MemoryEstimate estimate_memory(const Model& model, const Dataset& train,
                               const std::vector<std::vector<int64_t>>& batches,
                               const TrainingConfig& config);

struct TimeEstimate {
  int64_t measured_steps = 0;
  double seconds_per_step = 0;
  // With cache.dir: of the epochs after the first one, which find their segments; else the same.
  double stored_seconds_per_step = 0;
  // In the whole run. Evaluations are those on the validation data during training.
  int64_t steps = 0, evaluations = 0;
  double training_seconds = 0;    // all steps
  double evaluation_seconds = 0;  // evaluations, and the final one on the test data
  double total() const { return training_seconds + evaluation_seconds; }
};
// Runs real steps on the largest batch of the first epoch, then on short, middle and long ones,
// which changes the model's weights, and the longest batch of each evaluation: so the process's
// peak memory is then a run's. Takes up to six steps for each P, fewer if steps are slow. Loading
// and checkpoints are not in the estimate. REQUIRES: enough memory.
TimeEstimate measure_time(Model model, const RunInputs& inputs);

}  // namespace lait
