// Trimming ranges: process_offsets of Hugging Face's `tokenizers`, which counts in characters.
#include "lait/text/offsets.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace lait {
namespace {

bool is_trimmed(UChar32 c) {
  constexpr UChar32 kByteLevelSpace = 0x120;
  return c == kByteLevelSpace || (c >= 0 && u_isUWhiteSpace(c));
}

}  // namespace

TokenSpace token_space(std::string_view token) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(token.data());
  const auto length = static_cast<int32_t>(token.size());
  TokenSpace space;
  UChar32 c;
  for (int32_t i = 0; i < length; ++space.leading) {
    U8_NEXT(bytes, i, length, c);
    if (!is_trimmed(c)) break;
  }
  for (int32_t i = length; i > 0; ++space.trailing) {
    U8_PREV(bytes, 0, i, c);
    if (!is_trimmed(c)) break;
  }
  return space;
}

void trim_range(std::string_view text, const TrimOffsets& options, TokenSpace space, bool is_first,
                ByteRange& range) {
  if (!options.trim) return;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  // More spaces than one are the text's own.
  if (space.leading == 1 && options.add_prefix_space && (is_first || range.begin == 0))
    space.leading = 0;
  for (; space.leading > 0 && range.begin < range.end; --space.leading)
    U8_FWD_1(bytes, range.begin, range.end);
  int32_t end = range.end;
  for (; space.trailing > 0 && end > 0; --space.trailing) U8_BACK_1(bytes, 0, end);
  // Where the text has fewer characters than the token has spaces, `tokenizers` leaves the end
  // alone.
  if (space.trailing == 0) range.end = std::max(end, range.begin);
}

}  // namespace lait
