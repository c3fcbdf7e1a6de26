// Checking and repairing UTF-8.
#include "lait/text/utf8.h"

#include <unicode/utf8.h>

#include <cstring>

namespace lait {

bool is_valid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    constexpr uint64_t kHighBits = 0x8080808080808080u;
    uint64_t eight;
    if (i + sizeof(eight) <= text.size()) {
      std::memcpy(&eight, bytes + i, sizeof(eight));
      if ((eight & kHighBits) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    UChar32 c;
    U8_NEXT(bytes, i, text.size(), c);
    if (c < 0) return false;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text, std::vector<int32_t>* origins) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    UChar32 c;
    U8_NEXT(bytes, i, text.size(), c);
    if (c < 0) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(begin, i - begin);
    }
    if (origins != nullptr) origins->resize(out.size(), static_cast<int32_t>(begin));
  }
  if (origins != nullptr) origins->push_back(static_cast<int32_t>(text.size()));
  return out;
}

}  // namespace lait
