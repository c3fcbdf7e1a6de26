// Untrusted text and numbers for use in a message: one short line. (json.h quotes bytes that may
// not be text.)
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

namespace lait {

// At most 60 bytes, cut between characters, with "…" if something was cut. Control characters
// become spaces.
inline std::string shortened(std::string_view text) {
  constexpr size_t kMostBytes = 60;
  size_t end = std::min(text.size(), kMostBytes);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  std::string out(text.substr(0, end));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out.append(end < text.size() ? "…" : "");
}

// The same in quotes.
inline std::string shown(std::string_view text) {
  std::string out = "'";  // "'" + … makes GCC 12 warn falsely
  return out.append(shortened(text)).append("'");
}

// A number to print: NaN without its sign, which says nothing and would read as -nan.
inline double shown_number(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

}  // namespace lait
