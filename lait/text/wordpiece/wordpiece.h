// lait/text/wordpiece/: the tokenizer of BERT and MPNet.
//
// WordPiece: added tokens, BertNormalizer, BertPreTokenizer, greedy longest match.
//
// The ids and offsets equal those of Hugging Face's BertTokenizerFast and MPNetTokenizerFast with
// add_special_tokens=False for any bytes, without truncation and padding.
// tests/text/parity_test.cpp checks it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/added_tokens.h"
#include "lait/text/offsets.h"
#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer.h"
#include "lait/text/wordpiece/normalizer.h"
#include "lait/text/wordpiece/vocabulary.h"

namespace lait {

// All that defines a WordPiece tokenizer.
struct WordPieceSpec {
  std::vector<Vocabulary::Entry> entries;
  BertNormalizerOptions normalizer;
  SpecialTokenNames special_tokens{
      .cls = "[CLS]", .sep = "[SEP]", .pad = "[PAD]", .unk = "[UNK]", .mask = "[MASK]"};
  // In addition to the five above, or what else is known of these.
  std::vector<AddedToken> added_tokens;
  std::string continuing_prefix = "##";
  // A longer word becomes unk.
  int max_chars_per_word = 100;
  // For the ranges of added tokens.
  TrimOffsets trim_offsets;
  // Name to content, for save.
  std::map<std::string, std::string> files;
  // What error messages begin with.
  std::string where = "vocabulary";
};

class WordPiece final : public Tokenizer {
 public:
  // Throws UserError where the vocabulary lacks a special token other than mask.
  explicit WordPiece(WordPieceSpec spec);

  void encode(std::string_view text, std::vector<int32_t>& out) const override;
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override;
  SpecialTokens special_tokens() const override { return special_tokens_; }
  int32_t vocab_size() const override { return vocab_size_; }
  void save(const std::filesystem::path& dir) const override;

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

  WordPieceSpec spec_;  // without its entries and added_tokens
  Vocabulary vocabulary_;
  BertNormalizer normalizer_;
  AddedTokens added_, added_normalized_;
  SpecialTokens special_tokens_;
  // The node of the prefix "##".
  uint32_t continuing_node_ = Vocabulary::kNoNode;
  int32_t vocab_size_ = 0;
};

}  // namespace lait
