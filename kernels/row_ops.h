// The row-wise kernels around attention: dropout with a residual, the gradient of a gather, means
// over units, T5's norm. Alphabet of segment_attention.h. Rows are contiguous (T, C). They compute
// in float (double for double).
#pragma once
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "kernels/segment_attention.h"

namespace lait::kernels {

// out = residual + keep * x / (1 - p), keep drawn for (unit_ids[t], positions[t], channel), with
// head 0 in the counter.
struct DropoutAddParams {
  DType dtype = DType::kFloat32;
  int64_t num_rows = 0;            // T
  int64_t width = 0;               // C, a multiple of 4
  const void* x = nullptr;         // (T, C)
  const void* residual = nullptr;  // (T, C), may be null: zeros (its own gradient: pass dout as x)
  void* out = nullptr;             // (T, C), may be x
  const int32_t* unit_ids = nullptr;   // (T); may be null where p = 0
  const int32_t* positions = nullptr;  // (T); may be null where p = 0
  Dropout dropout{};
  ParallelFor parallel = nullptr;  // CPU: the caller's loop; null: serial
  void* stream = nullptr;          // CUDA: cudaStream_t
};

// out[s] = sum of in[r] over r in inverse[inverse_offsets[s] … inverse_offsets[s + 1]), in that
// order. This is the gradient of out[r] = in[index[r]]. Deterministic, no atomics. Accumulates in
// float and rounds once.
struct GatherAdjointParams {
  DType dtype = DType::kFloat32;
  int64_t num_out_rows = 0;                  // S
  int64_t width = 0;                         // C
  const void* in = nullptr;                  // (R, C)
  void* out = nullptr;                       // (S, C)
  const int32_t* inverse_offsets = nullptr;  // (S + 1)
  const int32_t* inverse = nullptr;          // (R)
  ParallelFor parallel = nullptr;            // CPU: the caller's loop; null: serial
  void* stream = nullptr;                    // CUDA: cudaStream_t
};

// out[g] = mean of in[t] over offsets[g] <= t < offsets[g + 1]; zero for an empty unit. out is
// float (double for double). The backward gives din[t] = dout[g] / n and zeros outside every unit.
// Units follow one another (offsets non-decreasing).
struct UnitMeanParams {
  DType dtype = DType::kFloat32;
  int64_t num_units = 0;     // G
  int64_t num_rows = 0;      // T, dead rows included
  int64_t width = 0;         // C
  const void* in = nullptr;  // forward: (T, C) in dtype; backward: dout (G, C) float or double
  void* out = nullptr;       // forward: (G, C) float or double; backward: din (T, C) in dtype
  const int32_t* offsets = nullptr;  // (G + 1)
  ParallelFor parallel = nullptr;    // CPU: the caller's loop; null: serial
  void* stream = nullptr;            // CUDA: cudaStream_t
};

// out = x * rstd * weight with rstd = 1 / sqrt(mean over the columns of x^2 + epsilon). (T5's norm,
// RMSNorm: without mean and bias.) weight and rstd are float (double for double).
struct RmsNormParams {
  DType dtype = DType::kFloat32;
  int64_t num_rows = 0;  // T
  int64_t width = 0;     // C
  double epsilon = 0;
  const void* x = nullptr;         // (T, C)
  const void* weight = nullptr;    // (C)
  void* out = nullptr;             // (T, C)
  void* rstd = nullptr;            // (T)
  ParallelFor parallel = nullptr;  // CPU: the caller's loop; null: serial
  void* stream = nullptr;          // CUDA: cudaStream_t
};

// dx = rstd (w dout - x rstd^2 mean(w dout x)); dweight = sum over the rows of dout x rstd, by
// parts of kRmsNormPart rows, so that it does not depend on the number of threads.
inline constexpr int64_t kRmsNormPart = 64;
struct RmsNormGradParams {
  DType dtype = DType::kFloat32;
  int64_t num_rows = 0;            // T
  int64_t width = 0;               // C
  const void* dout = nullptr;      // (T, C)
  const void* x = nullptr;         // (T, C)
  const void* weight = nullptr;    // (C)
  const void* rstd = nullptr;      // (T)
  void* dx = nullptr;              // (T, C)
  void* dweight = nullptr;         // (C)
  void* parts = nullptr;           // (T / kRmsNormPart, rounded up, C): memory for dweight's parts
  ParallelFor parallel = nullptr;  // CPU: the caller's loop; null: serial
  void* stream = nullptr;          // CUDA: cudaStream_t
};

// All throw std::invalid_argument for parameters that they do not support.
namespace cpu {  // vectorised; the instruction set is chosen at run time (segment_attention.h)
void dropout_add(const DropoutAddParams& params);
void gather_adjoint(const GatherAdjointParams& params);
void unit_mean_forward(const UnitMeanParams& params);
void unit_mean_backward(const UnitMeanParams& params);
void rms_norm(const RmsNormParams& params);
void rms_norm_backward(const RmsNormGradParams& params);
}  // namespace cpu

// Float and bfloat16; pointers are device pointers. Asynchronous on `stream`, allocates nothing;
// gives the same bits as the CPU. Throws std::runtime_error for an error of the CUDA runtime.
namespace cuda {
void dropout_add(const DropoutAddParams& params);
void gather_adjoint(const GatherAdjointParams& params);
void unit_mean_forward(const UnitMeanParams& params);
void unit_mean_backward(const UnitMeanParams& params);
void rms_norm(const RmsNormParams& params);
void rms_norm_backward(const RmsNormGradParams& params);
}  // namespace cuda

}  // namespace lait::kernels
