// Tokens that are searched for in the text before it is split into words: [CLS], [SEP], <mask> and
// the tokens that a user added to a vocabulary.
//
// The result equals Hugging Face's: "[SEP]" inside a text becomes the separator's id. To keep a
// text from containing special tokens, replace their brackets before encoding it.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/tokenizer.h"

namespace lait {

struct AddedToken {
  std::string content;
  int32_t id = kNoToken;
  // Only where no word character stands before or after it.
  bool single_word = false;
  // The token takes the white space to its left or right.
  bool lstrip = false, rstrip = false;
  // Searched for in the normalised text.
  bool normalized = false;
};

class AddedTokens {
 public:
  // White space as Unicode's White_Space has it (Rust), or with U+001C to U+001F (Python).
  enum class Space { kUnicode, kPython };

  AddedTokens() = default;
  // Drops tokens whose content is empty.
  explicit AddedTokens(std::vector<AddedToken> tokens, Space space = Space::kUnicode);

  bool empty() const { return tokens_.empty(); }

  // Splits text (UTF-8, may be invalid) at its added tokens. Calls piece(begin, end) for each
  // non-empty stretch between them and token(begin, end, id) for each token, from left to right;
  // positions are bytes of text.
  template <class Piece, class Token>
  void split(std::string_view text, const Piece& piece, const Token& token) const {
    size_t done = 0, from = 0, space_end = 0;
    while (from < text.size()) {
      const Match match = find(text, from);
      if (match.token == nullptr) break;
      from = match.end;
      size_t begin = match.begin, end = match.end;
      if (match.token->lstrip) begin = std::max(space_begin(text.substr(0, begin), done), done);
      if (match.token->rstrip) {
        // A stretch of white space is read once, however many tokens it holds.
        if (space_end < end) space_end = end + leading_space(text.substr(end));
        end = std::max(end, space_end);
      }
      if (done < begin) piece(done, begin);
      token(begin, end, match.token->id);
      done = end;
    }
    if (done < text.size()) piece(done, text.size());
  }

 private:
  struct Match {
    size_t begin, end;        // bytes
    const AddedToken* token;  // null: no match
  };
  // The leftmost match at or after byte `from`, and the longest there.
  Match find(std::string_view text, size_t from) const;
  // Where the white space at the end of text begins; looks back to byte `from` at most.
  size_t space_begin(std::string_view text, size_t from) const;
  // The length of the white space at the beginning of text.
  size_t leading_space(std::string_view text) const;
  bool is_space(int32_t c) const;

  // Longest first.
  std::vector<AddedToken> tokens_;
  Space space_ = Space::kUnicode;
  // Whether a token begins with the byte.
  std::array<bool, 256> begins_{};
  // The first byte of all tokens where they share it, else -1.
  int only_begin_ = -1;
};

}  // namespace lait
