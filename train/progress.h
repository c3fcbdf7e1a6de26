// Progress of a training run: one line that is redrawn on a terminal, a plain line now and then in
// a pipe.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace lait {

struct ProgressState {
  int64_t step = 0, total_steps = 0;
  double epoch = 0, total_epochs = 0;
  double loss = 0;  // mean since the last report
  double examples_per_s = 0;
  double seconds_left = 0;
};

class Progress {
 public:
  explicit Progress(bool quiet);
  void update(const ProgressState& state);
  void message(const std::string& text);  // on its own line, above the bar
  void warning(const std::string& text);  // the same, also if quiet
  void finish();                          // keeps the last state of the bar on the screen

 private:
  bool quiet_, terminal_, bar_shown_ = false;
  std::chrono::steady_clock::time_point last_line_{};
};

std::string format_duration(double seconds);  // "1:05", "2:03:04"

}  // namespace lait
