#include "kernels/cpu/dispatch.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/position_bias.h"
#include "kernels/row_ops_checks.h"
#include "kernels/segment_attention_checks.h"

namespace lait::kernels::cpu {
namespace {

constexpr const char* kVariable = "LAIT_CPU_CAPABILITY";
constexpr const char* kNames[] = {"generic", "avx2", "avx512", "avx512bf16"};

// Memory that only grows.
class Scratch {
 public:
  float* at_least(size_t floats) {
    if (floats > size_) {
      constexpr size_t kAlignment = 64;
      const size_t bytes = (floats * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
      size_ = 0;
      memory_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
      if (!memory_) throw std::bad_alloc();
      size_ = floats;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> memory_;
  size_t size_ = 0;
};

void check_groups(const std::string& name, DType dtype, int64_t group) {
  if (dtype == DType::kFloat64)
    throw std::invalid_argument(name + ": dtype must be float or bfloat16, got double");
  if (group < 1) {
    throw std::invalid_argument(name + ": a group must have at least 1 column, got " +
                                std::to_string(group));
  }
}

// Calls the chosen set's function.
#define LAIT_DISPATCH(function, argument)    \
  switch (isa()) {                           \
    case Isa::kGeneric:                      \
      return generic::function(argument);    \
    case Isa::kAvx2:                         \
      return avx2::function(argument);       \
    case Isa::kAvx512:                       \
      return avx512::function(argument);     \
    case Isa::kAvx512Bf16:                   \
      return avx512bf16::function(argument); \
  }

}  // namespace

bool supported(Isa isa) {
  switch (isa) {
    case Isa::kGeneric:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
    case Isa::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    case Isa::kAvx512Bf16:
      return supported(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16");
  }
  return false;
}

bool fast_bf16_products() {
  return supported(Isa::kAvx512Bf16) &&
         (!__builtin_cpu_is("intel") || __builtin_cpu_is("cooperlake"));
}

Isa choose_isa(const char* forced) {
  constexpr Isa kAll[] = {Isa::kAvx512Bf16, Isa::kAvx512, Isa::kAvx2, Isa::kGeneric};
  for (Isa isa : kAll) {
    if (forced == nullptr || *forced == '\0') {
      if (isa == Isa::kAvx512Bf16 ? fast_bf16_products() : supported(isa)) return isa;
    } else if (std::string(forced) == kNames[static_cast<int>(isa)]) {
      if (supported(isa)) return isa;
      throw std::invalid_argument(std::string(kVariable) + ": this CPU has no " + forced +
                                  "; unset it or choose another");
    }
  }
  throw std::invalid_argument(std::string(kVariable) +
                              ": expected one of {generic, avx2, avx512, avx512bf16}, got '" +
                              forced + "'");
}

Isa isa() {
  static const Isa chosen = choose_isa(std::getenv(kVariable));
  return chosen;
}

const char* capability() { return kNames[static_cast<int>(isa())]; }

float* workspace(size_t floats) {
  thread_local Scratch scratch;
  return scratch.at_least(floats);
}

float* call_workspace(size_t floats) {
  thread_local Scratch scratch;
  return scratch.at_least(floats);
}

const int32_t* bucket_table(const PositionBias& bias) {
  struct Table {
    int32_t num_buckets = 0, max_distance = 0;
    bool bidirectional = false;
    std::vector<int32_t> buckets;
  };
  thread_local Table table;
  if (table.num_buckets != bias.num_buckets || table.max_distance != bias.max_distance ||
      table.bidirectional != bias.bidirectional) {
    table.buckets.clear();
    for (int32_t r = -bias.max_distance; r <= bias.max_distance; ++r) {
      table.buckets.push_back(
          position_bucket(r, bias.num_buckets, bias.max_distance, bias.bidirectional));
    }
    table.num_buckets = bias.num_buckets;
    table.max_distance = bias.max_distance;
    table.bidirectional = bias.bidirectional;
  }
  return table.buckets.data();
}

void segment_attention_forward(const SegmentAttentionParams& params) {
  check_params(params);
  if (params.dtype == DType::kFloat64) return reference::segment_attention_forward(params);
  LAIT_DISPATCH(segment_attention_forward, params)
}

void segment_attention_backward(const SegmentAttentionGradParams& grad) {
  check_grad_params(grad);
  if (grad.forward.dtype == DType::kFloat64) return reference::segment_attention_backward(grad);
  LAIT_DISPATCH(segment_attention_backward, grad)
}

void dropout_add(const DropoutAddParams& params) {
  check_dropout_add(params);
  LAIT_DISPATCH(dropout_add, params)
}
void gather_adjoint(const GatherAdjointParams& params) { LAIT_DISPATCH(gather_adjoint, params) }
void unit_mean_forward(const UnitMeanParams& params) { LAIT_DISPATCH(unit_mean_forward, params) }
void unit_mean_backward(const UnitMeanParams& params) { LAIT_DISPATCH(unit_mean_backward, params) }
void rms_norm(const RmsNormParams& params) { LAIT_DISPATCH(rms_norm, params) }
void rms_norm_backward(const RmsNormGradParams& params) { LAIT_DISPATCH(rms_norm_backward, params) }
void quantize(const QuantizeParams& params) {
  check_groups("quantize", params.dtype, params.group);
  LAIT_DISPATCH(quantize, params)
}
void dequantize(const DequantizeParams& params) {
  check_groups("dequantize", params.dtype, params.group);
  LAIT_DISPATCH(dequantize, params)
}

}  // namespace lait::kernels::cpu
