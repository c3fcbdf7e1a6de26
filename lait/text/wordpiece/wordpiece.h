// lait/text/wordpiece/: the tokenizer of BERT and MPNet.
//
// WordPiece: added tokens, BertNormalizer, BertPreTokenizer, greedy longest match.
//
// The ids and offsets equal those of Hugging Face's BertTokenizerFast and MPNetTokenizerFast with
// add_special_tokens=False for any bytes, without truncation and padding.
// tests/text/parity_test.cpp checks it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/file_tokenizer.h"
#include "lait/text/wordpiece/normalizer.h"
#include "lait/text/wordpiece/vocabulary.h"

namespace lait {

// All that defines a WordPiece tokenizer.
struct WordPieceSpec : TokenizerSpec {
  WordPieceSpec() {
    special_tokens = {
        .cls = "[CLS]", .sep = "[SEP]", .pad = "[PAD]", .unk = "[UNK]", .mask = "[MASK]"};
  }
  std::vector<Vocabulary::Entry> entries;
  BertNormalizerOptions normalizer;
  std::string continuing_prefix = "##";
  // A longer word becomes unk.
  int max_chars_per_word = 100;
};

class WordPiece final : public FileTokenizer {
 public:
  // Throws UserError where the vocabulary lacks a special token other than mask.
  explicit WordPiece(const WordPieceSpec& spec);

  void encode(std::string_view text, std::vector<int32_t>& out) const override;
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override;

 private:
  // Sink takes the tokens; see the .cpp.
  template <class Sink>
  void encode_text(std::string_view text, Sink& sink) const;
  // A stretch between added tokens.
  template <class Sink>
  void encode_piece(std::string_view text, Sink& sink) const;
  // The bytes [begin, end) of normalised text.
  template <class Sink>
  void encode_words(std::string_view normalized, size_t begin, size_t end, Sink& sink) const;
  template <class Sink>
  void encode_word(std::string_view normalized, size_t begin, size_t end, size_t num_chars,
                   Sink& sink) const;

  Vocabulary vocabulary_;
  BertNormalizer normalizer_;
  size_t max_chars_per_word_;
  // The node of the prefix "##".
  uint32_t continuing_node_;
};

}  // namespace lait
