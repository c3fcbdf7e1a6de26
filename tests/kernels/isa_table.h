// The instruction sets' kernels by name, for tests that run each set that this machine has, and the
// AVX-512 sets' code lowered to what it has (CMake compiles both with vectors of 16 and a model of
// AVX-512-BF16): a machine without AVX-512 runs their logic too.
#pragma once
#include <string>
#include <vector>

#include "kernels/cpu/dispatch.h"

namespace lait::kernels::cpu {
LAIT_DECLARE_ISA(avx512_lowered)
LAIT_DECLARE_ISA(avx512bf16_lowered)
}  // namespace lait::kernels::cpu

namespace lait::kernels::testing {

struct IsaKernels {
  std::string name;
  void (*forward)(const SegmentAttentionParams&);
  void (*backward)(const SegmentAttentionGradParams&);
  void (*dropout_add)(const DropoutAddParams&);
  void (*gather_adjoint)(const GatherAdjointParams&);
  void (*unit_mean_forward)(const UnitMeanParams&);
  void (*unit_mean_backward)(const UnitMeanParams&);
  void (*rms_norm)(const RmsNormParams&);
  void (*rms_norm_backward)(const RmsNormGradParams&);
  void (*quantize)(const QuantizeParams&);
  void (*dequantize)(const DequantizeParams&);
};

inline std::vector<IsaKernels> supported_isas() {
  std::vector<IsaKernels> all;
#define LAIT_ADD_ISA(supported, isa)                                                              \
  if (supported) {                                                                                \
    all.push_back({#isa, cpu::isa::segment_attention_forward,                                     \
                   cpu::isa::segment_attention_backward, cpu::isa::dropout_add,                   \
                   cpu::isa::gather_adjoint, cpu::isa::unit_mean_forward,                         \
                   cpu::isa::unit_mean_backward, cpu::isa::rms_norm, cpu::isa::rms_norm_backward, \
                   cpu::isa::quantize, cpu::isa::dequantize});                                    \
  }
  LAIT_ADD_ISA(cpu::supported(cpu::Isa::kGeneric), generic)
  LAIT_ADD_ISA(cpu::supported(cpu::Isa::kAvx2), avx2)
  LAIT_ADD_ISA(cpu::supported(cpu::Isa::kAvx512), avx512)
  LAIT_ADD_ISA(cpu::supported(cpu::Isa::kAvx512Bf16), avx512bf16)
  LAIT_ADD_ISA(true, avx512_lowered)
  LAIT_ADD_ISA(true, avx512bf16_lowered)
#undef LAIT_ADD_ISA
  return all;
}

}  // namespace lait::kernels::testing
