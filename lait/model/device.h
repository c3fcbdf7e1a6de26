// Where a model runs and in which dtype: resolves the config's device and precision.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "lait/config/config.h"

namespace lait {

// kCuda loads liblait_cuda.so (the operators' CUDA implementations, beside liblait_ops.so) and with
// it LibTorch's CUDA libraries. kAuto does so if the machine has an NVIDIA driver; otherwise it is
// the CPU. Throws UserError for kCuda if there is no usable GPU or this build has no CUDA; it
// begins with `given_with`, the key or option that the device came from.
at::Device resolve_device(DeviceKind device, const std::string& given_with = "training.device");

// "NVIDIA H200": what its driver calls the GPU in use. REQUIRES: resolve_device returned a GPU.
std::string gpu_name();

// kAuto: bf16 if the device multiplies it faster than float (every GPU that resolve_device accepts;
// CPUs with AMX), otherwise fp32.
at::ScalarType resolve_precision(Precision precision, at::Device device);

}  // namespace lait
