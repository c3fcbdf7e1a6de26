#include "lait/text/cut_text.h"

namespace lait {

std::string_view first_tokens(std::string_view text, const Tokenizer& tokenizer, int64_t most) {
  std::vector<int32_t> ids;
  std::vector<ByteRange> ranges;
  tokenizer.encode(text, ids, ranges);
  if (std::ssize(ids) <= most) return text;
  for (int64_t kept = most; kept > 0; --kept) {
    const std::string_view cut =
        text.substr(0, static_cast<size_t>(ranges[static_cast<size_t>(kept)].begin));
    ids.clear();
    tokenizer.encode(cut, ids);
    if (std::ssize(ids) <= most) return cut;
  }
  return {};
}

}  // namespace lait
