// The number of rows of every matrix product is a multiple of this: each row of the result then has
// the same bits in every batch (measured for MKL and oneDNN; with odd numbers of rows the bits
// differ). Packing rounds up to it, the linear operator requires it.
#pragma once
#include <cstdint>

namespace lait::kernels {

inline constexpr int64_t kRowMultiple = 16;

}  // namespace lait::kernels
