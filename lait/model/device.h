// Where a model runs and in which dtype: the config's device and precision made definite.
#pragma once
#include <ATen/core/Tensor.h>

#include "lait/config/config.h"

namespace lait {

// kCuda loads liblait_cuda.so (the operators' CUDA implementations, beside liblait_ops.so) and with it LibTorch's CUDA
// libraries; kAuto does so where the machine has an NVIDIA driver, and else is the CPU. Throws UserError where kCuda is asked
// for and there is no usable GPU, or this build has no CUDA.
at::Device resolve_device(DeviceKind device);

// kAuto: bf16 where the device multiplies it faster than float (every GPU that resolve_device takes; CPUs with AMX), else fp32.
at::ScalarType resolve_precision(Precision precision, at::Device device);

}  // namespace lait
