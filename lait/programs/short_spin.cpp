// lait/programs/: linked into each program, and into nothing else.
//
// How long idle threads spin. OpenMP's idle threads wait for work by spinning, for
// milliseconds with libgomp's default, and so take the CPU from whatever else runs. Asleep at once
// (OMP_WAIT_POLICY=passive) they wake late: a single pair's latency is half as long again. So they
// are to spin for about as long as the gaps between the parallel parts of one prediction are.
//
// libgomp reads the variable when it is loaded, before main. This runs earlier still, before any
// library is initialised: it starts the program again with the variable set, which costs 10 ms of
// loading. A user's own GOMP_SPINCOUNT or OMP_WAIT_POLICY stays.
#include <unistd.h>

#include <cstring>

namespace {

constexpr const char kSpinCount[] = "GOMP_SPINCOUNT=10000";
constexpr int kMostVariables = 4096, kLongestPath = 4096;

bool starts_with(const char* text, const char* prefix) {
  return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

// No library is initialised: system calls and functions without state only.
void set_spin_count(int, char** argv, char** environment) {
  static char* more[kMostVariables];
  static char path[kLongestPath];
  int count = 0;
  for (; environment[count] != nullptr; ++count) {
    const char* variable = environment[count];
    if (starts_with(variable, "GOMP_SPINCOUNT=") || starts_with(variable, "OMP_WAIT_POLICY="))
      return;
    if (count + 2 >= kMostVariables) return;
    more[count] = environment[count];
  }
  more[count] = const_cast<char*>(kSpinCount);
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (length > 0) execve(path, argv, more);  // if it fails, idle threads spin for longer
}

using Preinit = void (*)(int, char**, char**);
[[gnu::section(".preinit_array"), gnu::used]] const Preinit kPreinit = set_spin_count;

}  // namespace
