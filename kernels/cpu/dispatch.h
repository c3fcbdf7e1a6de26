// kernels/cpu/: the CPU kernels, one source compiled for each instruction set.
//
// Run-time choice of the instruction set, and what the per-set files take from outside (they must not share inline code).
#pragma once
#include <cstddef>

#include "kernels/row_ops.h"
#include "kernels/segment_attention.h"

namespace lait::kernels::cpu {

enum class Isa { kGeneric, kAvx2, kAvx512, kAvx512Bf16 };
bool supported(Isa isa);  // by this CPU
// Whether this CPU has AVX-512-BF16 and gains by it. Measured: Emerald Rapids starts 0.5 vdpbf16ps a cycle, and 2
// multiply-adds of floats, which are twice as many FLOPs (its fast bfloat16 is AMX); so it is taken to be with Intel's
// other CPUs that have AMX. By their documents Zen 4 and Cooper Lake gain.
bool fast_bf16_products();
// The set of that name; null or empty: the best for this CPU. Throws std::invalid_argument on another name, or on a set that
// the CPU lacks.
Isa choose_isa(const char* name);
// choose_isa of the environment's LAIT_CPU_CAPABILITY, read once.
Isa isa();

// This thread's scratch memory of at least `floats` floats, 64-byte aligned; grows, and is never given back. One for the
// task that the thread runs, one for the call that it made (which its own tasks leave alone).
float* workspace(size_t floats);
float* call_workspace(size_t floats);

// position_bucket of the relative positions -max_distance … max_distance; this thread's, good until it asks for another.
const int32_t* bucket_table(const PositionBias& bias);

// What a set has in its namespace.
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
LAIT_DECLARE_ISA(avx512bf16)

}  // namespace lait::kernels::cpu
