#include "lait/model/device.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "lait/base/error.h"
#include "lait/ops/ops.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

std::string ask_cuda(const char* operator_name) {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow(operator_name, "")
      .typed<std::string()>()
      .call();
}

// Loads the CUDA library. Returns why CUDA cannot be used; empty if it can.
std::string load_cuda() {
  Dl_info ops;
  if (dladdr(reinterpret_cast<const void*>(&ops::cpu_has_bf16_gemm), &ops) == 0)
    return "liblait_ops.so was not found";
  const fs::path library = fs::absolute(ops.dli_fname).parent_path() / "liblait_cuda.so";
  if (!fs::exists(library))
    return "this build has no CUDA (" + library.string() +
           " does not exist; build with -DLAIT_CUDA=ON, install with `make install CUDA=1`)";
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr)
    return std::string("cannot load it: ") + dlerror();
  return ask_cuda("lait::cuda_problem");
}

const std::string& cuda_problem() {
  static const std::string problem = load_cuda();
  return problem;
}

}  // namespace

at::Device resolve_device(DeviceKind device, const std::string& given_with) {
  if (device == DeviceKind::kCpu) return at::kCPU;
  // LibTorch's CUDA libraries are large: without a driver they are not loaded.
  if (device == DeviceKind::kAuto && !fs::exists("/dev/nvidiactl") && !fs::exists("/dev/dxg"))
    return at::kCPU;
  // The first one, unless this process is one of several (lait/ranks/ranks.h).
  if (cuda_problem().empty()) return c10::impl::VirtualGuardImpl(at::kCUDA).getDevice();
  if (device == DeviceKind::kAuto) return at::kCPU;
  throw UserError(given_with + ": cuda: " + cuda_problem() + "; give cpu");
}

std::string gpu_name() { return ask_cuda("lait::cuda_device_name"); }

at::ScalarType resolve_precision(Precision precision, at::Device device) {
  if (precision == Precision::kAuto)
    return device.is_cuda() || ops::cpu_has_bf16_gemm() ? at::kBFloat16 : at::kFloat;
  return precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace lait
