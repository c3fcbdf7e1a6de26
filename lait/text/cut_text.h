// A text's beginning of so many tokens.
#pragma once
#include <cstdint>
#include <string_view>

#include "lait/text/tokenizer.h"

namespace lait {

// The longest beginning that ends before a token of the whole text and has at most `most` tokens
// itself: cut off, the end of a word may become several tokens. `most` is at least 1. Costs one
// tokenization, or a few of a text that is cut. REQUIRES: text is under 2 GiB.
std::string_view first_tokens(std::string_view text, const Tokenizer& tokenizer, int64_t most);

}  // namespace lait
