// Tensors of every dtype that safetensors has, whose values are their positions.
#pragma once
#include <ATen/ATen.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace lait {

inline constexpr at::ScalarType kAllTypes[] = {at::kDouble, at::kFloat, at::kHalf,  at::kBFloat16,
                                               at::kLong,   at::kInt,   at::kShort, at::kChar,
                                               at::kByte,   at::kBool};

// The same dtype, shape and bits.
inline bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.numel() == 0 || std::memcmp(a.contiguous().const_data_ptr(),
                                        b.contiguous().const_data_ptr(), a.nbytes()) == 0);
}

// A tensor of the whole numbers 0, 1, 2, ... (for bool: their parity).
inline at::Tensor counting(at::ScalarType type, std::vector<int64_t> shape) {
  at::Tensor numbers = at::arange(c10::multiply_integers(shape), at::kLong).reshape(shape);
  return type == at::kBool ? numbers.remainder(2).to(at::kBool) : numbers.remainder(100).to(type);
}

// Matrices, vectors, scalars and tensors without elements, of all dtypes.
inline std::vector<std::pair<std::string, at::Tensor>> one_of_each() {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const at::ScalarType type : kAllTypes) {
    const std::string name = c10::toString(type);
    tensors.emplace_back(name + ".matrix", counting(type, {3, 5}));
    tensors.emplace_back(name + ".scalar", counting(type, {}));
    tensors.emplace_back(name + ".empty", counting(type, {0, 4}));
    tensors.emplace_back("a." + name, counting(type, {7}));
  }
  return tensors;
}

}  // namespace lait
