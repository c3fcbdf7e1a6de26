#include "train/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "lait/base/terminal.h"

namespace lait {
namespace {

constexpr double kLineSeconds = 10;  // between plain lines in a pipe

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  const auto s = static_cast<int64_t>(std::max(0.0, std::round(seconds)));
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(redraws_lines()) {}

void Progress::update(const ProgressState& s) {
  if (quiet_) return;
  std::string numbers =
      fmt::format("step {}/{}  epoch {:.2f}/{:g}  loss {:.4f}  {:.0f} examples/s  {} left", s.step,
                  s.total_steps, s.epoch, s.total_epochs, s.loss, s.examples_per_s,
                  format_duration(s.seconds_left));
  if (!terminal_) {
    const auto now = std::chrono::steady_clock::now();
    if (s.step < s.total_steps &&
        std::chrono::duration<double>(now - last_line_).count() < kLineSeconds)
      return;
    last_line_ = now;
    show(numbers + "\n");
    return;
  }
  const int width = static_cast<int>(terminal_width(STDERR_FILENO).value_or(80));
  if (static_cast<int>(numbers.size()) >= width) {
    numbers = fmt::format("step {}/{}  loss {:.4f}  {} left", s.step, s.total_steps, s.loss,
                          format_duration(s.seconds_left));
  }
  const int room = std::clamp(width - static_cast<int>(numbers.size()) - 4, 0, 30);
  std::string line = numbers;
  if (room >= 5) {
    const auto done = static_cast<size_t>(static_cast<double>(room) * static_cast<double>(s.step) /
                                          static_cast<double>(std::max<int64_t>(1, s.total_steps)));
    line = fmt::format("[{}{}] {}", std::string(done, '='),
                       std::string(static_cast<size_t>(room) - done, ' '), numbers);
  }
  show("\r\033[K" + line.substr(0, static_cast<size_t>(std::max(1, width - 1))));
  bar_shown_ = true;
}

void Progress::message(const std::string& text) {
  if (!quiet_) warning(text);
}

void Progress::warning(const std::string& text) {
  if (bar_shown_) show("\r\033[K");
  bar_shown_ = false;
  show(text + "\n");
}

void Progress::finish() {
  if (bar_shown_) show("\n");
  bar_shown_ = false;
}

}  // namespace lait
