// lait::cuda_problem: why CUDA cannot be used on this machine; empty if it can.
#include <torch/library.h>

#include "kernels/segment_attention.h"

TORCH_LIBRARY_FRAGMENT(lait, m) {
  m.def("cuda_problem() -> str", [] { return lait::kernels::cuda::device_problem(); });
}
