// Leaving the white space that belongs to a token out of the token's range, as Hugging Face's
// trim_offsets does.
#pragma once
#include <string_view>

#include "lait/text/tokenizer.h"

namespace lait {

// tokenizer.json's post_processor: {"trim_offsets": ..., "add_prefix_space": ...}.
struct TrimOffsets {
  bool trim = false;
  // The token at the beginning of the text keeps a single space, which is taken for the added one.
  bool add_prefix_space = false;
};

// The white space at both ends of a token, in characters. "\u0120", how byte-level BPE writes a
// space, counts.
struct TokenSpace {
  int32_t leading = 0, trailing = 0;
};
TokenSpace token_space(std::string_view token);

// Trims the range of a token of text. `is_first`: it is the first token of the text.
void trim_range(std::string_view text, const TrimOffsets& options, TokenSpace space, bool is_first,
                ByteRange& range);

}  // namespace lait
