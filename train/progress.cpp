#include "train/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "lait/base/terminal.h"

namespace lait {
namespace {

constexpr size_t kMostBar = 30, kLeastBar = 5;

std::string joined(const std::vector<ProgressField>& fields) {
  std::string line;
  for (const ProgressField& field : fields) {
    if (!field.text.empty()) line += (line.empty() ? "" : "  ") + field.text;
  }
  return line;
}

double share(int64_t done, int64_t total) {
  return static_cast<double>(done) / static_cast<double>(std::max<int64_t>(1, total));
}

std::string flops_text(const ProgressState& s) {
  if (s.flops_per_s <= 0) return "";
  const std::string share =
      s.gemm_flops_per_s > 0
          ? fmt::format(" ({:.0f} % of GEMM)", 100 * s.flops_per_s / s.gemm_flops_per_s)
          : "";
  return (s.flops_per_s < 1e12 ? fmt::format("{:.0f} GFLOP/s", s.flops_per_s / 1e9)
                               : fmt::format("{:.1f} TFLOP/s", s.flops_per_s / 1e12)) +
         share;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  const auto s = static_cast<int64_t>(std::max(0.0, std::round(seconds)));
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string progress_line(std::vector<ProgressField> fields, double done, size_t columns) {
  while (joined(fields).size() > columns)
    fields.erase(std::ranges::max_element(fields, {}, &ProgressField::rank));
  const std::string line = joined(fields);
  constexpr size_t kFrame = 3;  // "[", "] "
  const size_t bar = std::min(kMostBar, std::max(columns - line.size(), kFrame) - kFrame);
  if (line.empty() || bar < kLeastBar) return line;
  const auto filled = static_cast<size_t>(static_cast<double>(bar) * std::clamp(done, 0.0, 1.0));
  return fmt::format("[{}{}] {}", std::string(filled, '='), std::string(bar - filled, ' '), line);
}

Progress::Progress(Says says, double line_seconds)
    : says_(says), terminal_(redraws_lines()), line_seconds_(line_seconds) {}

void Progress::draw(const std::vector<ProgressField>& fields, double done, bool last) {
  if (says_ != Says::kAll) return;
  if (terminal_) {
    const size_t width = terminal_width(STDERR_FILENO).value_or(80);
    // A terminal may begin a new line after its last column.
    show("\r\033[K" + progress_line(fields, done, width - 1));
    bar_shown_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!last && std::chrono::duration<double>(now - last_line_).count() < line_seconds_) return;
  last_line_ = now;
  show(joined(fields) + "\n");
}

void Progress::update(const ProgressState& s) {
  draw({{0, fmt::format("step {}/{}", s.step, s.total_steps)},
        {5, fmt::format("epoch {:.2f}/{:g}", s.epoch, s.total_epochs)},
        {2, fmt::format("loss {:.4f}", s.loss)},
        {4, s.metric},
        {3, fmt::format("{:.0f} examples/s", s.examples_per_s)},
        {7, fmt::format("{:.0f} tokens/s", s.tokens_per_s)},
        {6, flops_text(s)},
        {8, s.stored ? fmt::format("{:.0f} % from the store", 100 * *s.stored) : ""},
        {1, format_duration(s.seconds_left) + " left"}},
       share(s.step, s.total_steps), s.step == s.total_steps);
}

void Progress::evaluation(const std::string& name, int64_t done, int64_t total) {
  draw({{1, name}, {0, fmt::format("{}/{} examples", done, total)}}, share(done, total), false);
}

void Progress::message(const std::string& text) {
  if (says_ == Says::kAll) say(text);
}

void Progress::warning(const std::string& text) {
  if (says_ != Says::kNothing) say(text);
}

void Progress::say(const std::string& text) {
  if (bar_shown_) show("\r\033[K");
  bar_shown_ = false;
  show(text + "\n");
}

void Progress::finish() {
  if (bar_shown_) show("\n");
  bar_shown_ = false;
}

}  // namespace lait
