// The instruction sets' kernels by name, for tests that run each that this machine has.
#pragma once
#include <string>
#include <vector>

#include "kernels/cpu_dispatch.h"

namespace lait::kernels::testing {

struct IsaKernels {
  std::string name;
  void (*forward)(const SegmentAttentionParams&);
  void (*backward)(const SegmentAttentionGradParams&);
  void (*dropout_add)(const DropoutAddParams&);
  void (*gather_adjoint)(const GatherAdjointParams&);
  void (*unit_mean_forward)(const UnitMeanParams&);
  void (*unit_mean_backward)(const UnitMeanParams&);
};

inline std::vector<IsaKernels> supported_isas() {
  std::vector<IsaKernels> all;
#define LAIT_ADD_ISA(value, isa)                                                \
  if (cpu::supported(value)) {                                                  \
    all.push_back({#isa, cpu::isa::segment_attention_forward,                   \
                   cpu::isa::segment_attention_backward, cpu::isa::dropout_add, \
                   cpu::isa::gather_adjoint, cpu::isa::unit_mean_forward,       \
                   cpu::isa::unit_mean_backward});                              \
  }
  LAIT_ADD_ISA(cpu::Isa::kGeneric, generic)
  LAIT_ADD_ISA(cpu::Isa::kAvx2, avx2)
  LAIT_ADD_ISA(cpu::Isa::kAvx512, avx512)
#undef LAIT_ADD_ISA
  return all;
}

}  // namespace lait::kernels::testing
