// What training will take, before it is begun: memory counted from shapes, time measured on a few batches of the run.
#pragma once
#include <cstdint>

#include "lait/data/dataset.h"
#include "lait/model/model.h"
#include "train/run_inputs.h"

namespace lait {

// Bytes of the tensors that training adds to the program and its data. LibTorch's own buffers and what the heap keeps between
// tensors are not counted, nor evaluation, which keeps nothing for backward.
struct MemoryEstimate {
  int64_t weights = 0;      // float leaves, and the encoder's copies in the compute dtype
  int64_t moments = 0;      // AdamW's two
  int64_t gradients = 0;    // of the leaves that the head reads
  int64_t activations = 0;  // what the first epoch's largest micro-batch leaves for backward
  // The most that gradients, activations and what backward works on take at one time.
  int64_t backward = 0;
  int64_t largest_batch_rows = 0;  // of its widest level
  int64_t total() const { return weights + moments + backward; }
};
// REQUIRES: `train` is not empty. Allocates no tensor.
MemoryEstimate estimate_memory(const Model& model, const Dataset& train,
                               const TrainingConfig& config);

struct TimeEstimate {
  int64_t measured_steps = 0;
  double seconds_per_step = 0;
  // Of the whole run; evaluations on the validation data while training.
  int64_t steps = 0, evaluations = 0;
  double training_seconds = 0;    // all steps
  double evaluation_seconds = 0;  // evaluations, and the last scoring of validation and test data
  double total() const { return training_seconds + evaluation_seconds; }
};
// Runs real steps on batches of the first epoch, short, middle and long ones, which changes the model's weights; it takes up
// to six steps, fewer where steps are slow. Loading and checkpoints are not in the estimate. REQUIRES: the memory is there.
TimeEstimate measure_time(Model model, const RunInputs& inputs);

}  // namespace lait
