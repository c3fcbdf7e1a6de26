// lait/text/byte_bpe/: the tokenizer of RoBERTa.
//
// Byte-level byte-pair encoding: added tokens, GPT-2's pattern, merges of bytes.
//
// The ids and offsets equal those of Hugging Face's RobertaTokenizerFast with
// add_special_tokens=False for any bytes. tests/text/parity_test.cpp checks it.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lait/text/added_tokens.h"
#include "lait/text/byte_bpe/merges.h"
#include "lait/text/byte_bpe/word_table.h"
#include "lait/text/offsets.h"
#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer.h"

namespace lait {

// All that defines a byte-level BPE tokenizer.
struct ByteBpeSpec {
  // Tokens, written in the byte-level alphabet, and their ids. Must have all 256 bytes.
  std::unordered_map<std::string, int32_t> vocabulary;
  // In the order of their ranks.
  std::vector<Merge> merges;
  // A word that is a token as a whole is not split, whatever the merges make of it.
  bool ignore_merges = false;
  // A space is put before text that begins with none, and so after each added token.
  bool add_prefix_space = false;
  TrimOffsets trim_offsets{.trim = true};
  SpecialTokenNames special_tokens{
      .cls = "<s>", .sep = "</s>", .pad = "<pad>", .unk = "<unk>", .mask = "<mask>"};
  // In addition to the five above, or what else is known of these.
  std::vector<AddedToken> added_tokens;
  // Name to content, for save.
  std::map<std::string, std::string> files;
  // What error messages begin with.
  std::string where = "vocabulary";
};

class ByteBpe final : public Tokenizer {
 public:
  // Throws UserError where the vocabulary lacks a byte, or cls, sep or pad.
  explicit ByteBpe(ByteBpeSpec spec);

  void encode(std::string_view text, std::vector<int32_t>& out) const override;
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override;
  SpecialTokens special_tokens() const override { return special_tokens_; }
  int32_t vocab_size() const override { return vocab_size_; }
  void save(const std::filesystem::path& dir) const override;

 private:
  // text is valid UTF-8. Sink takes the tokens; see the .cpp.
  template <class Sink>
  void encode_text(std::string_view text, Sink& sink) const;
  // Bytes [begin, end) of text, which no added token touches.
  template <class Sink>
  void encode_piece(std::string_view text, size_t begin, size_t end, Sink& sink) const;
  template <class Sink>
  void encode_words(std::string_view piece, Sink& sink) const;

  ByteBpeSpec spec_;  // without its vocabulary, merges and added_tokens
  // Ids of the tokens of one byte.
  std::array<int32_t, 256> byte_ids_{};
  Merges merges_;
  // The words that are one token.
  WordTable words_;
  AddedTokens added_, added_normalized_;
  SpecialTokens special_tokens_;
  int32_t vocab_size_ = 0;
};

}  // namespace lait
