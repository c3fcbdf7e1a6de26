#include "kernels/cpu_dispatch.h"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "kernels/segment_attention_checks.h"

namespace lait::kernels::cpu {
namespace {

constexpr const char* kVariable = "LAIT_CPU_CAPABILITY";
constexpr const char* kNames[] = {"generic", "avx2", "avx512"};

bool supported(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return true;
    case Isa::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }
  return false;
}

Isa choose() {
  constexpr Isa kAll[] = {Isa::kAvx512, Isa::kAvx2, Isa::kGeneric};
  const char* forced = std::getenv(kVariable);
  for (Isa isa : kAll) {
    if (forced == nullptr || *forced == '\0') {
      if (supported(isa)) return isa;
    } else if (std::string(forced) == kNames[static_cast<int>(isa)]) {
      if (supported(isa)) return isa;
      throw std::invalid_argument(std::string(kVariable) + ": this CPU has no " + forced + "; unset it or choose another");
    }
  }
  throw std::invalid_argument(std::string(kVariable) + ": expected one of {generic, avx2, avx512}, got '" + forced + "'");
}

// Calls the chosen set's function.
#define LAIT_DISPATCH(function, argument)              \
  switch (isa()) {                                     \
    case Isa::kGeneric: return generic::function(argument); \
    case Isa::kAvx2: return avx2::function(argument);  \
    case Isa::kAvx512: return avx512::function(argument); \
  }

}  // namespace

Isa isa() {
  static const Isa chosen = choose();
  return chosen;
}

const char* capability() { return kNames[static_cast<int>(isa())]; }

float* workspace(size_t floats) {
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<float, Free> memory;
  thread_local size_t size = 0;
  if (floats > size) {
    constexpr size_t kAlignment = 64;
    const size_t bytes = (floats * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    memory.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    if (!memory) throw std::bad_alloc();
    size = floats;
  }
  return memory.get();
}

void segment_attention_forward(const SegmentAttentionParams& params) {
  check_params(params);
  if (params.dtype == DType::kFloat64) return reference::segment_attention_forward(params);
  LAIT_DISPATCH(segment_attention_forward, params)
}

void segment_attention_backward(const SegmentAttentionGradParams& grad) {
  check_params(grad.forward);
  if (grad.forward.dtype == DType::kFloat64) return reference::segment_attention_backward(grad);
  LAIT_DISPATCH(segment_attention_backward, grad)
}

void dropout_add(const DropoutAddParams& params) { LAIT_DISPATCH(dropout_add, params) }
void gather_adjoint(const GatherAdjointParams& params) { LAIT_DISPATCH(gather_adjoint, params) }
void unit_mean_forward(const UnitMeanParams& params) { LAIT_DISPATCH(unit_mean_forward, params) }
void unit_mean_backward(const UnitMeanParams& params) { LAIT_DISPATCH(unit_mean_backward, params) }

}  // namespace lait::kernels::cpu
