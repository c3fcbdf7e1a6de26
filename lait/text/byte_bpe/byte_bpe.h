// lait/text/byte_bpe/: the tokenizer of RoBERTa.
//
// Byte-level byte-pair encoding: added tokens, GPT-2's pattern, merges of bytes.
//
// The ids and offsets equal those of Hugging Face's RobertaTokenizerFast with
// add_special_tokens=False for any bytes. tests/text/parity_test.cpp checks it.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lait/text/byte_bpe/merges.h"
#include "lait/text/byte_bpe/word_table.h"
#include "lait/text/file_tokenizer.h"

namespace lait {

// All that defines a byte-level BPE tokenizer.
struct ByteBpeSpec : TokenizerSpec {
  ByteBpeSpec() {
    special_tokens = {
        .cls = "<s>", .sep = "</s>", .pad = "<pad>", .unk = "<unk>", .mask = "<mask>"};
    trim_offsets.trim = true;
  }
  // Tokens, written in the byte-level alphabet, and their ids. Must have all 256 bytes.
  std::unordered_map<std::string, int32_t> vocabulary;
  // In the order of their ranks.
  std::vector<Merge> merges;
  // A word that is a token as a whole is not split, whatever the merges make of it.
  bool ignore_merges = false;
  // A space is put before text that begins with none, and so after each added token.
  bool add_prefix_space = false;
};

class ByteBpe final : public FileTokenizer {
 public:
  // Throws UserError where the vocabulary lacks a byte, or cls, sep or pad.
  explicit ByteBpe(const ByteBpeSpec& spec);

  void encode(std::string_view text, std::vector<int32_t>& out) const override;
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override;

 private:
  // text is valid UTF-8. Sink takes the tokens; see the .cpp.
  template <class Sink>
  void encode_text(std::string_view text, Sink& sink) const;
  // Bytes [begin, end) of text, which no added token touches.
  template <class Sink>
  void encode_piece(std::string_view text, size_t begin, size_t end, Sink& sink) const;
  template <class Sink>
  void encode_words(std::string_view piece, Sink& sink) const;

  bool add_prefix_space_;
  // Ids of the tokens of one byte.
  std::array<int32_t, 256> byte_ids_;
  Merges merges_;
  // The words that are one token.
  WordTable words_;
};

}  // namespace lait
