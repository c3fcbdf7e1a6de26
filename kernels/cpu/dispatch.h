// kernels/cpu/: the CPU kernels, one source compiled for each instruction set.
//
// The run-time choice of the instruction set, and what the files of each set take from outside
// (they must not share inline code).
#pragma once
#include <cstddef>

#include "kernels/quantize.h"
#include "kernels/row_ops.h"
#include "kernels/segment_attention.h"

namespace lait::kernels::cpu {

enum class Isa { kGeneric, kAvx2, kAvx512, kAvx512Bf16 };
bool supported(Isa isa);  // by this CPU
// Whether this CPU has AVX-512-BF16 and is faster with it. Measured: Emerald Rapids starts 0.5
// vdpbf16ps per cycle, but 2 multiply-adds of floats, which are twice as many FLOPs (its fast
// bfloat16 is AMX); so Intel's other CPUs with AMX are assumed to be alike. By their documents Zen
// 4 and Cooper Lake are faster with it.
bool fast_bf16_products();
// The set of that name; null or empty: the best for this CPU. Throws std::invalid_argument on an
// unknown name, or on a set that the CPU lacks.
Isa choose_isa(const char* name);
// choose_isa of the environment's LAIT_CPU_CAPABILITY, read once.
Isa isa();

// This thread's scratch memory of at least `floats` floats, 64-byte aligned; it grows and is never
// freed. workspace() is for the task that the thread runs, call_workspace() for the call that it
// made; tasks do not touch the latter.
float* workspace(size_t floats);
float* call_workspace(size_t floats);

// position_bucket of the relative positions -max_distance … max_distance; owned by this thread,
// valid until it asks for another.
const int32_t* bucket_table(const PositionBias& bias);

// The functions of a set, in its namespace.
#define LAIT_DECLARE_ISA(name)                                             \
  namespace name {                                                         \
  void segment_attention_forward(const SegmentAttentionParams& params);    \
  void segment_attention_backward(const SegmentAttentionGradParams& grad); \
  void dropout_add(const DropoutAddParams& params);                        \
  void gather_adjoint(const GatherAdjointParams& params);                  \
  void unit_mean_forward(const UnitMeanParams& params);                    \
  void unit_mean_backward(const UnitMeanParams& params);                   \
  void rms_norm(const RmsNormParams& params);                              \
  void rms_norm_backward(const RmsNormGradParams& params);                 \
  void quantize(const QuantizeParams& params);                             \
  void dequantize(const DequantizeParams& params);                         \
  }
LAIT_DECLARE_ISA(generic)
LAIT_DECLARE_ISA(avx2)
LAIT_DECLARE_ISA(avx512)
LAIT_DECLARE_ISA(avx512bf16)

}  // namespace lait::kernels::cpu
