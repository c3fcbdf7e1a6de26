// What a training line of metrics.jsonl sums up: the steps since the line before it. A checkpoint
// holds it too, so that a run that stops between two lines writes both as it would have anyway.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "train/step_part.h"

namespace lait {

struct LogWindow {
  int64_t steps = 0, examples = 0, tokens = 0;
  double flops = 0;
  // Steps whose gradient was not finite, which changed nothing; and how many up to the last one,
  // without a step between them. The latter may be of earlier windows.
  int64_t skipped = 0, skipped_in_a_row = 0;
  double loss_sum = 0;       // of the other steps; a float in every bit
  double gradient_norm = 0;  // of the last step
  double seconds = 0;        // that the steps took
};

// A window that grows. Its sums stay on the device: adding a step does not wait for it.
class OpenWindow {
 public:
  // Loss and gradient norm are device scalars.
  void add(const at::Tensor& loss, const at::Tensor& gradient_norm, const StepPart& part);
  bool empty() const { return sums_.steps == 0; }
  // Waits for the device.
  LogWindow read() const;
  // Makes it empty. Keeps the number of skipped steps in a row.
  void clear();
  // Makes it a window that read() returned.
  void restore(const LogWindow& window, at::Device device);
  // What happened since it was cleared, restored or last resumed took no training time.
  void resume_clock();

 private:
  // Without what the device has: loss, gradient norm, skipped steps. Seconds: up to began_.
  LogWindow sums_;
  at::Tensor loss_sum_, gradient_norm_, skipped_, skipped_in_a_row_;
  double began_ = 0;
};

double steady_seconds();  // of a clock that only moves forward

}  // namespace lait
