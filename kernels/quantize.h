// Rows as 8-bit integers with a scale for each group of columns, such as a head: a third or less of
// their bytes in float.
//
//   scale = largest |x| of the group / 127      value = x / scale, to the nearest integer
//   x' = value * scale, rounded to its type     |x - x'| <= scale / 2, and that rounding
//
// A group with a NaN or an infinity comes back as NaNs: what is not finite stays visible. A group
// whose largest |x| is below kLeastQuantized (its scale would be denormal) comes back as zeros. No
// finite group comes back with an infinity. All instruction sets give the same bits. CPU only.
#pragma once
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/segment_attention.h"

namespace lait::kernels {

inline constexpr float kMostQuantized = 127;
inline constexpr float kLeastQuantized = kMostQuantized * 0x1p-126f;

struct QuantizeParams {
  DType dtype = DType::kFloat32;   // of x: float or bfloat16
  int64_t num_groups = 0;          // of all rows
  int64_t group = 0;               // columns of one
  const void* x = nullptr;         // (num_groups, group)
  int8_t* values = nullptr;        // (num_groups, group)
  float* scales = nullptr;         // (num_groups)
  ParallelFor parallel = nullptr;  // the caller's loop; null: serial
};

struct DequantizeParams {
  DType dtype = DType::kFloat32;   // of out: float or bfloat16
  int64_t num_groups = 0;          // of all rows
  int64_t group = 0;               // columns of one
  const int8_t* values = nullptr;  // (num_groups, group)
  const float* scales = nullptr;   // (num_groups)
  void* out = nullptr;             // (num_groups, group)
  ParallelFor parallel = nullptr;  // the caller's loop; null: serial
};

// Both throw std::invalid_argument for another type, or a group without columns.
namespace cpu {
void quantize(const QuantizeParams& params);
void dequantize(const DequantizeParams& params);
}  // namespace cpu

}  // namespace lait::kernels
