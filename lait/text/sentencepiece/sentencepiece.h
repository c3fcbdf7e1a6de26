// lait/text/sentencepiece/: the tokenizer of T5.
//
// SentencePiece's Unigram model (Debian's libsentencepiece), and around it what transformers' slow
// T5Tokenizer does: special tokens, sentinels (<extra_id_0> ...), the space before a text.
//
// The ids equal those of T5Tokenizer (transformers 4.57.6) with add_special_tokens=False for any
// bytes. tests/text/t5_parity_test.cpp checks it.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lait/text/file_tokenizer.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace lait {

// All that defines the tokenizer.
struct SentencePieceSpec : TokenizerSpec {
  // The content of spiece.model. Must have passed checked_pieces.
  std::string model;
  // additional_special_tokens, sentinels among them, and special tokens by other names than those
  // of SpecialTokenNames.
  std::vector<std::string> additional, other_special;
  // T5Tokenizer's first behaviour: each text between special tokens gets a space before it.
  bool legacy = true;
  // A space is put before the text. Does nothing with `legacy`.
  bool add_prefix_space = true;
};

class SentencePiece final : public FileTokenizer {
 public:
  // Throws UserError where the library refuses the model, or it lacks sep, pad or unk.
  explicit SentencePiece(const SentencePieceSpec& spec);
  ~SentencePiece() override;

  void encode(std::string_view text, std::vector<int32_t>& out) const override;
  // Ranges are in order and at the boundaries of characters. A piece has the characters that it was
  // made from, all of a character that became several pieces, and of white space before it the last
  // character, as in T5TokenizerFast. An added token has no white space. The space that is put
  // before a text has the character behind it.
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override;
  std::string decode(const std::vector<int32_t>& ids, bool skip_special_tokens) const override;

 private:
  // Tokens of one text, and where they go; see the .cpp.
  struct Text;
  // text is valid UTF-8, not empty.
  void encode_text(std::string_view text, Text& out) const;
  // A part between added tokens.
  void encode_piece(std::string_view text, size_t begin, size_t end, Text& out) const;
  // The id of a token's text, as T5Tokenizer finds it.
  int32_t id_of(const std::string& token) const;
  std::string decode_pieces(std::vector<std::string> tokens) const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  bool legacy_, add_prefix_space_;
  std::string unk_;
  // The number of pieces of the text `unk_`.
  size_t unk_length_ = 0;
  std::unordered_map<std::string, int32_t> added_ids_;
  std::unordered_map<int32_t, std::string> added_contents_;
  // What decoding leaves out if it skips special tokens, and what it puts spaces around.
  std::unordered_set<std::string> special_, spaced_;
};

}  // namespace lait
