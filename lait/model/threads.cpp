#include "lait/model/threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "lait/base/available_cpus.h"

namespace lait {

void set_threads(int64_t threads, int sharers) {
  const char* omp = std::getenv("OMP_NUM_THREADS");
  const bool torchruns = std::getenv("TORCHELASTIC_RUN_ID") != nullptr && omp != nullptr &&
                         std::string_view(omp) == "1";
  const int share = std::max(1, available_cpus() / sharers);
  at::set_num_threads(threads > 0 ? static_cast<int>(threads)
                      : torchruns ? share
                                  : std::min(at::get_num_threads(), share));
}

}  // namespace lait
