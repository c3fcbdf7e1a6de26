#include "lait/model/threads.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "lait/base/available_cpus.h"

namespace lait {

void set_threads(int64_t threads) {
  at::set_num_threads(threads > 0 ? static_cast<int>(threads)
                                  : std::min(at::get_num_threads(), available_cpus()));
}

}  // namespace lait
