// Where the time of training steps goes: a trace of their operators by LibTorch's profiler, in
// Chrome's format, which https://ui.perfetto.dev and chrome://tracing show.
#pragma once
#include <ATen/record_function.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace lait {

class StepProfile {
 public:
  // The first steps of a process allocate, start threads and fill caches.
  static constexpr int64_t kWarmUpSteps = 3;

  // Of `num_steps` steps on the device, after the warm-up. REQUIRES: num_steps > 0; one object at a
  // time; all its functions are called by one thread.
  StepProfile(std::filesystem::path file, int64_t num_steps, at::Device device);
  // Ends recording. Writes nothing.
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  // Around each step of training. What happens between them is not in the trace. end_step writes
  // the file after the last of the steps. Throws WriteError.
  void begin_step(int64_t step);
  void end_step();
  // Writes the file if there are fewer steps than were asked for. Returns their number; 0: no file.
  int64_t finish();

 private:
  void write();

  const std::filesystem::path file_;
  const int64_t num_steps_;
  const at::Device device_;
  int64_t begun_ = 0;     // warm-up included
  int64_t recorded_ = 0;  // steps
  bool is_recording_ = false;
  std::optional<at::RecordFunction> mark_;  // the step in the trace
};

}  // namespace lait
