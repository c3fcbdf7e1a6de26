#include "lait/base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace lait {
namespace {

constexpr size_t kTooManyColumns = 10000;  // no terminal has as many: COLUMNS is ignored

}  // namespace

std::optional<size_t> terminal_width(int descriptor) {
  if (const char* variable = std::getenv("COLUMNS")) {
    const std::string_view text = variable;
    size_t columns = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
    if (error == std::errc() && end == text.data() + text.size() && columns > 0 &&
        columns < kTooManyColumns)
      return columns;
  }
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return std::nullopt;
}

void show(const std::string& text) {
  if (std::fputs(text.c_str(), stderr) < 0 || std::fflush(stderr) != 0) std::clearerr(stderr);
}

bool redraws_lines() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

}  // namespace lait
