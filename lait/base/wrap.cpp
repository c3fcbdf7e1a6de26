#include "lait/base/wrap.h"

#include <algorithm>
#include <sstream>

namespace lait {

size_t display_width(std::string_view utf8) {
  return static_cast<size_t>(std::ranges::count_if(
      utf8, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

std::string wrap(const std::string& text, size_t width) {
  std::istringstream words(text);
  std::string out;
  size_t used = 0;
  for (std::string word; words >> word;) {
    const size_t size = display_width(word);
    const bool fits = used > 0 && used + 1 + size <= width;
    if (used > 0) out += fits ? " " : "\n";
    used = fits ? used + 1 + size : size;
    out += word;
  }
  return out + "\n";
}

}  // namespace lait
