// lait/text/wordpiece/: the tokenizer of BERT and MPNet.
//
// WordPiece, the tokenizer of BERT: added tokens, BertNormalizer, BertPreTokenizer, greedy longest match.
//
// The rule kept: the ids of Hugging Face's BertTokenizerFast with add_special_tokens=False for any bytes, without its
// truncation and padding. tests/text/ and tests/oracles/tokenizer_parity.py hold it to that.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/added_tokens.h"
#include "lait/text/tokenizer.h"
#include "lait/text/wordpiece/normalizer.h"
#include "lait/text/wordpiece/vocabulary.h"

namespace lait {

// All that defines a WordPiece tokenizer.
struct WordPieceSpec {
  std::vector<Vocabulary::Entry> entries;
  BertNormalizerOptions normalizer;
  std::string unk_token = "[UNK]", cls_token = "[CLS]", sep_token = "[SEP]", pad_token = "[PAD]",
              mask_token = "[MASK]";
  std::vector<AddedToken> added_tokens;  // beside the five above
  std::string continuing_prefix = "##";
  int max_chars_per_word = 100;              // a longer word is unk_token
  std::map<std::string, std::string> files;  // name to content, for save
  std::string where = "vocabulary";          // what errors name
};

class WordPiece final : public Tokenizer {
 public:
  // Throws UserError when the vocabulary lacks the unknown, first, separating or padding token.
  explicit WordPiece(WordPieceSpec spec);

  void encode(std::string_view text, std::vector<int32_t>& out) const override;
  int32_t cls_id() const override { return cls_id_; }
  int32_t sep_id() const override { return sep_id_; }
  int32_t vocab_size() const override { return vocab_size_; }
  void save(const std::filesystem::path& dir) const override;

 private:
  void add_special(std::vector<AddedToken>& tokens);
  int32_t required_id(const std::string& token, const char* name) const;
  void encode_piece(std::string_view text,
                    std::vector<int32_t>& out) const;  // between added tokens
  void encode_words(std::string_view normalized, std::vector<int32_t>& out) const;
  void encode_word(std::string_view word, size_t num_chars, std::vector<int32_t>& out) const;

  WordPieceSpec spec_;  // its entries and added_tokens are moved on
  Vocabulary vocabulary_;
  BertNormalizer normalizer_;
  AddedTokens added_, added_normalized_;
  uint32_t continuing_node_ = Vocabulary::kNoNode;  // where "##" leads
  int32_t unk_id_ = 0, cls_id_ = 0, sep_id_ = 0, vocab_size_ = 0;
};

}  // namespace lait
