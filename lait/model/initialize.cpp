#include "lait/model/initialize.h"

#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

#include <cstdlib>
#include <mutex>

#include "kernels/cpu/dispatch.h"

namespace lait {

void initialize_numerics() {
  static std::once_flag once;
  std::call_once(once, [] {
    using namespace kernels::cpu;
    __builtin_cpu_init();
    if (__builtin_cpu_is("intel") && supported(Isa::kAvx2)) {
      const char* mode = supported(Isa::kAvx512) ? "AVX512,STRICT" : "AVX2,STRICT";
      setenv("MKL_CBWR", mode, /*overwrite=*/0);
    }
    at::tanh(at::zeros({1}));
  });
}

}  // namespace lait
