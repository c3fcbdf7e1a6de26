// What the tokenizers of every kind share: special and added tokens, the layout that their files
// describe, and the files themselves.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lait/text/added_tokens.h"
#include "lait/text/described_layout.h"
#include "lait/text/offsets.h"
#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer.h"

namespace lait {

struct TokenizerSpec {
  SpecialTokenNames special_tokens;
  // In addition to the five above, or what else is known of these.
  std::vector<AddedToken> added_tokens;
  // The five above are searched for in texts although added_tokens has them not.
  bool names_are_added = true;
  TrimOffsets trim_offsets;
  std::vector<DescribedLayout> layouts;
  // What is wrong with the files for a model with token types; empty: nothing.
  std::string no_types;
  // Tokenizer::files.
  std::map<std::string, std::string> files;
  // What error messages begin with.
  std::string where = "vocabulary";
};

// The special tokens without which a kind of tokenizer is of no use.
struct SpecialTokenNeeds {
  bool cls = true, sep = true, pad = true, unk = false;
};

class FileTokenizer : public Tokenizer {
 public:
  SpecialTokens special_tokens() const final { return special_tokens_; }
  int32_t vocab_size() const final { return vocab_size_; }
  void check_layout(const SegmentLayout& layout) const final;
  const std::map<std::string, std::string>& files() const final { return files_; }

 protected:
  explicit FileTokenizer(const TokenizerSpec& spec);

  struct Words {
    FindToken find;
    // The largest id + 1.
    int32_t size = 0;
    // A vocabulary without one of these is refused.
    SpecialTokenNeeds needs = {};
    // What becomes of a token that is searched for in normalised text. May be null.
    std::function<std::string(const std::string&)> normalize = {};
    // What tokenizer_config.json calls sep.
    const char* sep_key = "sep_token";
    // The white space that added tokens take.
    AddedTokens::Space space = AddedTokens::Space::kUnicode;
  };
  // Ends the construction. Throws UserError where the vocabulary lacks a special token that is
  // needed.
  void set_words(const Words& words);

  // Searched for in the text itself, and in its normalised pieces.
  AddedTokens added_, added_normalized_;
  SpecialTokens special_tokens_;
  TrimOffsets trim_offsets_;

 private:
  std::string where_;
  SpecialTokenNames names_;
  std::vector<AddedToken> tokens_;  // until set_words
  bool names_are_added_;
  std::vector<DescribedLayout> layouts_;
  std::string no_types_;
  std::map<std::string, std::string> files_;
  int32_t vocab_size_ = 0;
};

}  // namespace lait
