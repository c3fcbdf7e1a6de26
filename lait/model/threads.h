// The threads of LibTorch's and LAIT's operators.
#pragma once
#include <cstdint>

namespace lait {

// Of a process beside `local_ranks` - 1 others on this machine. 0: auto, LibTorch's default
// (OMP_NUM_THREADS, else one for each core) but no more than its share of available_cpus(). That
// torchrun sets OMP_NUM_THREADS to 1 where the user has not is not taken for the user's wish.
void set_threads(int64_t threads, int local_ranks = 1);

}  // namespace lait
