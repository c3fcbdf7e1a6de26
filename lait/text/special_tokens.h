// Special and added tokens: reading them from a tokenizer's files as transformers does.
//
// The ids follow transformers: a token of the vocabulary has the vocabulary's id, others are
// numbered behind it in the order of the ids that the files claim. A file that claims another id is
// refused.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/added_tokens.h"
#include "lait/text/tokenizer.h"
#include "lait/text/tokenizer_files.h"

namespace lait {

// The text of each special token; empty: none.
struct SpecialTokenNames {
  std::string cls, sep, pad, unk, mask;
};

// The id of a token of the vocabulary, or kNoToken.
using FindToken = std::function<int32_t(std::string_view)>;

// The id of a special token, which may be an added token alone; kNoToken where it is neither.
int32_t token_id(const std::string& name, const FindToken& find,
                 const std::vector<AddedToken>& added);

// What the files are read into, and what holds where they say nothing.
struct SpecialTokenRules {
  // A name is the first of these that the vocabulary has, or else the first.
  std::vector<std::string> cls, sep, pad, unk, mask;
  // Whether mask takes the white space before it.
  bool mask_lstrip = false;
  // tokenizer.json is taken as it stands: only its added tokens and those that files name are
  // searched for in texts.
  bool is_generic = false;
  FindToken find = {};
  // The number of the vocabulary's tokens.
  size_t vocabulary_size = 0;
};

struct SpecialTokenFiles {
  SpecialTokenNames names;
  // With their ids.
  std::vector<AddedToken> added;
};

// Reads added_tokens of tokenizer.json, tokenizer_config.json, special_tokens_map.json and
// added_tokens.json. Where tokenizer_config.json has added_tokens_decoder, the last two are not
// read, as in transformers; otherwise special_tokens_map.json decides on names. Throws UserError
// for malformed files, and for files that contradict each other or the vocabulary.
SpecialTokenFiles read_special_tokens(TokenizerFiles& files, const SpecialTokenRules& rules);

}  // namespace lait
