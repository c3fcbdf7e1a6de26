// The most memory of this process that was in RAM at once: its resident set, the mapped files that
// it read included.
#pragma once
#include <cstdint>
#include <optional>

namespace lait {

// nullopt: the kernel does not say.
std::optional<int64_t> peak_rss_bytes();
// Counts from what is in use now, where the kernel allows it: the runs of a sweep share a process.
void reset_peak_rss();

}  // namespace lait
