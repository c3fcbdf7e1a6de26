// lait::cuda_problem: what keeps CUDA from being used on this machine.
#include <torch/library.h>

#include "kernels/segment_attention.h"

TORCH_LIBRARY_FRAGMENT(lait, m) {
  m.def("cuda_problem() -> str", [] { return lait::kernels::cuda::device_problem(); });
}
