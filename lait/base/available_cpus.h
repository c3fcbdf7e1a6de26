// The CPUs: how many of them this process may use, and their name.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace lait {

// CPUs of the affinity mask (taskset, cpusets), but no more than the cgroup's quota (containers'
// `--cpus`), rounded up. At least 1.
int available_cpus();

// The model of the first one, as Linux names it; "unknown" if it does not.
std::string cpu_name();

// The machine's name and the affinity mask, as text: equal for processes that share their CPUs.
std::string cpu_set();

// The least quota of the cgroup and of those above it, in CPUs; nullopt: none. `membership`: the
// text of /proc/self/cgroup; `root`: where cgroups are mounted, in version 2, or version 1's
// controllers in folders of their names.
std::optional<double> cgroup_cpus(const std::string& membership, const std::filesystem::path& root);

}  // namespace lait
