// The number of rows of every matrix product is a multiple of this: a row then has the same bits in every batch (measured
// for MKL and oneDNN; odd numbers of rows do differ). Packing rounds up to it, the linear operator requires it.
#pragma once
#include <cstdint>

namespace lait::kernels {

inline constexpr int64_t kRowMultiple = 16;

}  // namespace lait::kernels
