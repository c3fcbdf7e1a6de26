// The threads of LibTorch's and LAIT's operators.
#pragma once
#include <cstdint>

namespace lait {

// 0: auto, LibTorch's default (OMP_NUM_THREADS, else one for each core) but no more than
// available_cpus().
void set_threads(int64_t threads);

}  // namespace lait
