// The operators about the machine's GPU that the rest of LAIT asks, which knows no CUDA:
//   lait::cuda_problem      why CUDA cannot be used on this machine; empty if it can
//   lait::cuda_device_name  what the driver calls the current device
#include <torch/library.h>

#include "kernels/segment_attention.h"

TORCH_LIBRARY_FRAGMENT(lait, m) {
  m.def("cuda_problem() -> str", [] { return lait::kernels::cuda::device_problem(); });
  m.def("cuda_device_name() -> str", [] { return lait::kernels::cuda::device_name(); });
}
