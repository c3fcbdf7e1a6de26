#include "train/peak_rss.h"

#include <fstream>
#include <string>

namespace lait {

// Not getrusage, which also counts what the process was before exec: its parent's copy.
std::optional<int64_t> peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string name, rest; status >> name; std::getline(status, rest)) {
    int64_t kilobytes = 0;
    if (name == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return std::nullopt;
}

void reset_peak_rss() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace lait
