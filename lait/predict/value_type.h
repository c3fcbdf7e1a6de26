// The type in which values of segments are kept. A value is rounded to it when it is made, whether
// it is stored or used at once, so scores do not depend on what a store has.
//
//   auto   the compute type: predictions are those of the model, to the bit
//   fp32   under fp32 the same as auto; under bf16 twice the bytes and the same bits
//   bf16   under bf16 the same as auto; under fp32 half the bytes, rounded to 8 bits
//   int8   8 bits, and a float scale for each head of a token (kernels/quantize.h)
//
// Means stay float.
#pragma once
#include <c10/core/ScalarType.h>

#include "lait/config/enum_names.h"

namespace lait {

enum class ValueType { kAuto, kFp32, kBf16, kInt8 };

template <>
inline NameTable<ValueType> names_of<ValueType>() {
  static constexpr std::pair<const char*, ValueType> kNames[] = {{"auto", ValueType::kAuto},
                                                                 {"fp32", ValueType::kFp32},
                                                                 {"bf16", ValueType::kBf16},
                                                                 {"int8", ValueType::kInt8}};
  return kNames;
}

// kFloat, kBFloat16 or kChar.
inline at::ScalarType stored_dtype(ValueType type, at::ScalarType compute_dtype) {
  switch (type) {
    case ValueType::kAuto:
      return compute_dtype;
    case ValueType::kFp32:
      return at::kFloat;
    case ValueType::kBf16:
      return at::kBFloat16;
    case ValueType::kInt8:
      return at::kChar;
  }
  return compute_dtype;
}

// The inverse; never kAuto.
inline ValueType value_type_of(at::ScalarType stored) {
  return stored == at::kChar       ? ValueType::kInt8
         : stored == at::kBFloat16 ? ValueType::kBf16
                                   : ValueType::kFp32;
}

}  // namespace lait
