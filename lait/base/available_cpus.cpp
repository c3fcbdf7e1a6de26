#include "lait/base/available_cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "lait/base/this_process.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// Version 2: "max 100000" or "150000 100000", microseconds of each period.
std::optional<double> quota_v2(const fs::path& folder) {
  std::istringstream text(first_line(folder / "cpu.max"));
  double quota = 0, period = 0;
  if (text >> quota >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

// Version 1: a quota of -1 is none.
std::optional<double> quota_v1(const fs::path& folder) {
  std::istringstream quota_text(first_line(folder / "cpu.cfs_quota_us"));
  std::istringstream period_text(first_line(folder / "cpu.cfs_period_us"));
  double quota = 0, period = 0;
  if (quota_text >> quota && period_text >> period && quota > 0 && period > 0)
    return quota / period;
  return std::nullopt;
}

// The least quota from `mount`/`path` up to `mount`. In a container `path` may not exist, since the
// cgroup is the root of what is mounted.
template <class Quota>
void walk_up(const fs::path& mount, fs::path path, const Quota& quota,
             std::optional<double>& least) {
  for (path = path.relative_path();; path = path.parent_path()) {
    const auto cpus = quota(mount / path);
    if (cpus) least = std::min(least.value_or(*cpus), *cpus);
    if (path.empty()) return;
  }
}

int affinity_cpus() {
  // The kernel refuses a mask that is smaller than its own.
  for (int size = CPU_SETSIZE; size <= (1 << 20); size *= 2) {
    cpu_set_t* mask = CPU_ALLOC(size);
    const size_t bytes = CPU_ALLOC_SIZE(size);
    const bool known = sched_getaffinity(0, bytes, mask) == 0;
    const int count = known ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return count;
  }
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace

std::optional<double> cgroup_cpus(const std::string& membership, const fs::path& root) {
  // Lines "hierarchy:controllers:path"; version 2 has no controllers.
  std::optional<double> least;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      walk_up(root, path, quota_v2, least);
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      walk_up(root / controllers, path, quota_v1, least);
      walk_up(root / "cpu", path, quota_v1, least);
    }
  }
  return least;
}

std::string cpu_set() {
  std::string text = host_name() + " ";
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return text;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) text += std::to_string(cpu) + ",";
  }
  return text;
}

int available_cpus() {
  std::ifstream file("/proc/self/cgroup");
  std::ostringstream membership;
  membership << file.rdbuf();
  const int cpus = affinity_cpus();
  const auto quota = cgroup_cpus(membership.str(), "/sys/fs/cgroup");
  return quota ? std::clamp(static_cast<int>(std::ceil(*quota)), 1, cpus) : cpus;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name"))
      return line.substr(std::min(line.find(':') + 2, line.size()));
  }
  return "unknown";
}

}  // namespace lait
