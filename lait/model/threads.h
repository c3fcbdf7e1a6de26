// The threads of LibTorch's and LAIT's operators.
#pragma once
#include <cstdint>

namespace lait {

// 0: auto, LibTorch's default (OMP_NUM_THREADS, else one for each core) but no more than this
// process's share of available_cpus(), which `sharers` processes have together. That torchrun sets
// OMP_NUM_THREADS to 1 where the user has not is not taken for the user's wish.
void set_threads(int64_t threads, int sharers = 1);

}  // namespace lait
