// A config's numbers as text: parsed strictly, written so that they read back to the same bits.
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "lait/config/fields.h"

namespace lait {

// The units of ByteCount, the largest first.
inline constexpr std::pair<std::string_view, int64_t> kByteUnits[] = {
    {"GB", 1'000'000'000}, {"MB", 1'000'000}, {"KB", 1'000}};

// Parses the whole text as a number. No spaces, no leading "+", no leading zeros (octal in other
// languages), no inf or nan.
template <class T>
requires std::is_arithmetic_v<T> std::optional<T> parse_number(const std::string& text) {
  const size_t digits = text.starts_with('-') ? 1 : 0;
  if (text.size() > digits + 1 && text[digits] == '0' && text[digits + 1] >= '0' &&
      text[digits + 1] <= '9')
    return std::nullopt;
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return value;
}

// The shortest text that reads back to `value`: 0.25, 1e-4, 3.
template <class T>
requires std::is_arithmetic_v<T> std::string number_text(T value) {
  char buffer[40];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  std::string text(buffer, result.ptr);
  // 1e-04 ─► 1e-4, 1e+06 ─► 1e6
  if (const size_t e = text.find('e'); e != std::string::npos) {
    while (e + 3 < text.size() && text[e + 2] == '0') text.erase(e + 2, 1);
    if (text[e + 1] == '+') text.erase(e + 1, 1);
  }
  return text;
}

// " of at least 0 and below 1", or "".
inline std::string limits_text(const Limits& limits) {
  std::string text;
  auto add = [&](const char* what, double bound) {
    if (std::isfinite(bound))
      text += std::string(text.empty() ? " " : " and ") + what + " " + number_text(bound);
  };
  add("of at least", limits.min);
  add("above", limits.above);
  add("at most", limits.max);
  add("below", limits.below);
  return text;
}

inline bool within(double value, const Limits& limits) {
  return value >= limits.min && value <= limits.max && value > limits.above && value < limits.below;
}

// Training computes in float: the number must be finite there, above 0 if it is, and within the
// same limits (0.999999999 is 1).
inline bool fits_float(double value, const Limits& limits) {
  const auto rounded = static_cast<float>(value);
  return std::isfinite(rounded) && (rounded != 0 || value == 0) && within(rounded, limits);
}
inline std::string float_range() {
  return number_text(std::numeric_limits<float>::denorm_min()) + " to " +
         number_text(std::numeric_limits<float>::max());
}

}  // namespace lait
