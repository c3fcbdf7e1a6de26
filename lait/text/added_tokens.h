// Tokens that are found in the text as they stand, before it is cut into words: [CLS], [SEP], [MASK] … and tokens that a
// user added to a vocabulary.
//
// The rule kept: equality with Hugging Face, where "[SEP]" inside a text is the separator's id. Who must not let a text
// speak for the model replaces the brackets before.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false;  // only between characters that are not of words
  bool normalized = false;   // looked for in the normalised text
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);  // empty contents are dropped

  bool empty() const { return tokens_.empty(); }
  struct Found {
    size_t begin, end;  // bytes; begin == end == text.size() when nothing is found
    int32_t id;
  };
  // The leftmost longest token at or after byte from of text (UTF-8, not necessarily valid).
  Found find(std::string_view text, size_t from) const;

 private:
  std::vector<AddedToken> tokens_;  // longest first
  std::array<bool, 256> begins_{};  // the first bytes
  int only_begin_ = -1;             // the first byte where all share it
};

}  // namespace lait
