// Progress of a training run: one line that is redrawn on a terminal, a plain line now and then in
// a pipe.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lait {

struct ProgressState {
  int64_t step = 0, total_steps = 0;
  double epoch = 0, total_epochs = 0;
  double loss = 0;  // mean since the last report
  // Of the last validation, "accuracy 0.7312"; "": none yet.
  std::string metric = {};
  double examples_per_s = 0, tokens_per_s = 0, flops_per_s = 0;
  // Of the machine's matrix product; 0: not measured.
  double gemm_flops_per_s = 0;
  double seconds_left = 0;
  // The share of the segments that came from the store since the last report; nullopt: none does.
  std::optional<double> stored = {};
};

// A part of a progress line; "": it is not there. Of rank 0: the last to be left out.
struct ProgressField {
  int rank;
  std::string text;
};
// As many fields as fit into `columns`, each of them whole, and in front of them a bar of which
// `done` in [0, 1] is filled, if there is room for one.
std::string progress_line(std::vector<ProgressField> fields, double done, size_t columns);

enum class Says { kAll, kWarnings, kNothing };

class Progress {
 public:
  // In a pipe, lines of progress are at least line_seconds apart.
  explicit Progress(Says says, double line_seconds = 10);
  void update(const ProgressState& state);
  // Of the split `name`: examples done.
  void evaluation(const std::string& name, int64_t done, int64_t total);
  void message(const std::string& text);  // on its own line, above the bar
  void warning(const std::string& text);  // the same, also with kWarnings
  void finish();                          // keeps the last state of the bar on the screen

 private:
  void draw(const std::vector<ProgressField>& fields, double done, bool last);

  void say(const std::string& text);

  Says says_;
  bool terminal_, bar_shown_ = false;
  double line_seconds_;
  std::chrono::steady_clock::time_point last_line_{};
};

std::string format_duration(double seconds);  // "1:05", "2:03:04"

}  // namespace lait
