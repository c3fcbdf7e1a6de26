// The special and added tokens of T5: reading them from a tokenizer's files as transformers' slow
// T5Tokenizer (4.57.6) does, sentinels among them.
//
// special_tokens.h reads those of the other kinds, as transformers' fast tokenizers do; here files
// decide on ids, and a token's flags come from the last file that names it.
#pragma once
#include <string>
#include <vector>

#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer_files.h"

namespace lait {

struct T5Tokens {
  // Has sep, pad and unk.
  SpecialTokenNames names;
  // additional_special_tokens and the sentinels; special tokens by other names than T5's.
  std::vector<std::string> additional, other_special;
  // All of them, with their ids; without sep, pad and unk where neither the vocabulary nor a file
  // has them.
  std::vector<AddedToken> added;
  // The number of sentinels.
  int32_t extra_ids = 100;
};

// `pieces`: the vocabulary, by id. Throws UserError for malformed files and flags that are not
// supported.
T5Tokens read_t5_tokens(TokenizerFiles& files, const std::vector<std::string>& pieces);

}  // namespace lait
