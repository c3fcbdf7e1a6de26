// Run-time choice of the instruction set, and what the per-set files take from outside (they must not share inline code).
#pragma once
#include <cstddef>

#include "kernels/row_ops.h"
#include "kernels/segment_attention.h"

namespace lait::kernels::cpu {

enum class Isa { kGeneric, kAvx2, kAvx512 };
// The best one this CPU has, or LAIT_CPU_CAPABILITY=generic|avx2|avx512. Throws std::invalid_argument on another value, or
// on one that the CPU lacks. Read once.
Isa isa();

// This thread's scratch memory of at least `floats` floats, 64-byte aligned; grows, and is never given back.
float* workspace(size_t floats);

#define LAIT_DECLARE_ISA(name)                                             \
  namespace name {                                                         \
  void segment_attention_forward(const SegmentAttentionParams& params);    \
  void segment_attention_backward(const SegmentAttentionGradParams& grad); \
  void dropout_add(const DropoutAddParams& params);                        \
  void gather_adjoint(const GatherAdjointParams& params);                  \
  void unit_mean_forward(const UnitMeanParams& params);                    \
  void unit_mean_backward(const UnitMeanParams& params);                   \
  }
LAIT_DECLARE_ISA(generic)
LAIT_DECLARE_ISA(avx2)
LAIT_DECLARE_ISA(avx512)
#undef LAIT_DECLARE_ISA

}  // namespace lait::kernels::cpu
