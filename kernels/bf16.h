// bfloat16 as its bits: conversions that round to nearest even, for CPU kernels that compute in
// float.
#pragma once
#include <cstdint>

namespace lait::kernels {

struct Bf16 {
  uint16_t bits;
};

[[gnu::always_inline]] inline float to_float(Bf16 x) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16);
}
[[gnu::always_inline]] inline float to_float(float x) { return x; }

template <class T>
T from_float(float x);
template <>
[[gnu::always_inline]] inline float from_float<float>(float x) {
  return x;
}
template <>
[[gnu::always_inline]] inline Bf16 from_float<Bf16>(float x) {
  const auto bits = __builtin_bit_cast(uint32_t, x);
  // A NaN stays one, and becomes quiet.
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

}  // namespace lait::kernels
