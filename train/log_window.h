// What a training line of metrics.jsonl sums up: the steps since the line before it. A checkpoint
// holds it too, so that a run that stops between two lines writes both as it would have anyway.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace lait {

struct LogWindow {
  int64_t steps = 0, examples = 0, tokens = 0;
  double loss_sum = 0;       // of the steps; a float in every bit
  double gradient_norm = 0;  // of the last step
  double seconds = 0;        // that the steps took
};

// A window that grows. Its sums stay on the device: adding a step does not wait for it.
class OpenWindow {
 public:
  // Loss and gradient norm are device scalars.
  void add(const at::Tensor& loss, const at::Tensor& gradient_norm, int64_t examples,
           int64_t tokens);
  bool empty() const { return sums_.steps == 0; }
  // Waits for the device.
  LogWindow read() const;
  // Makes it empty.
  void clear();
  // Makes it a window that read() returned.
  void restore(const LogWindow& window, at::Device device);
  // Another rank has its loss.
  void leave_out_loss() { loss_sum_ = loss_sum_ * 0; }
  // What happened since it was cleared, restored or last resumed took no training time.
  void resume_clock();

 private:
  LogWindow sums_;  // without loss and gradient norm; seconds: up to began_
  at::Tensor loss_sum_, gradient_norm_;
  double began_ = 0;
};

double steady_seconds();  // of a clock that only moves forward

}  // namespace lait
