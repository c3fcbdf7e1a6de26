// lait/text/: tokenizers.
//
// The Tokenizer interface: text to token ids, and the special tokens that a model's input needs.
// Where special tokens go (the segment formats) is decided in lait/data.
//
//   const auto tokenizer = load_tokenizer("models/all-MiniLM-L6-v2");
//   std::vector<int32_t> ids;
//   tokenizer->encode("some text", ids);
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

struct SegmentLayout;

inline constexpr int32_t kNoToken = -1;

// Ids of the special tokens; kNoToken where the tokenizer has none of that kind. RoBERTa's <s> is
// cls, its </s> is sep; T5's </s> is sep.
struct SpecialTokens {
  int32_t cls = kNoToken, sep = kNoToken, pad = kNoToken, unk = kNoToken, mask = kNoToken;
};

// Bytes [begin, end) of a text.
struct ByteRange {
  int32_t begin, end;
  bool operator==(const ByteRange&) const = default;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Appends the ids of text to out, without special tokens and without truncation. Thread-safe.
  // Takes any bytes: invalid UTF-8 counts as U+FFFD. Equals Hugging Face's encode(text,
  // add_special_tokens=False).
  virtual void encode(std::string_view text, std::vector<int32_t>& out) const = 0;
  // The same, and appends to ranges where each token stands in text. Equals Hugging Face's
  // offset_mapping, in bytes of text instead of characters. Ranges may overlap and may be empty.
  // Requires: text is under 2 GiB.
  virtual void encode(std::string_view text, std::vector<int32_t>& out,
                      std::vector<ByteRange>& ranges) const = 0;
  // The text of ids. Equals Hugging Face's decode(ids, skip_special_tokens=...,
  // clean_up_tokenization_spaces=False); ids that are no tokens are left out. Thread-safe. Throws
  // UserError where the kind cannot do it: only SentencePiece can.
  virtual std::string decode(const std::vector<int32_t>& ids, bool skip_special_tokens) const;
  virtual SpecialTokens special_tokens() const = 0;
  // The largest id + 1.
  virtual int32_t vocab_size() const = 0;
  // Throws UserError where its files say that special tokens stand elsewhere around texts than in
  // the model's layout.
  virtual void check_layout(const SegmentLayout& layout) const {}
  // The files that define it (vocab.txt, tokenizer.json, tokenizer_config.json ...): name to
  // content.
  virtual const std::map<std::string, std::string>& files() const = 0;
  // Writes them into dir. Throws WriteError.
  void save(const std::filesystem::path& dir) const;
};

// A kind of tokenizer; lait/text/tokenizers.h has them one a line.
struct TokenizerKind {
  const char* name;
  // The files that it looks for, for error messages.
  const char* files;
  // Whether the directory holds a tokenizer of this kind. Throws UserError where tokenizer.json is
  // no JSON object.
  bool (*reads)(const std::filesystem::path& model_dir);
  // Throws UserError naming the malformed file.
  std::shared_ptr<const Tokenizer> (*load)(const std::filesystem::path& model_dir);
};

const std::vector<const TokenizerKind*>& all_tokenizers();

// Loads the tokenizer of a Hugging Face model directory with the first kind that reads it. Throws
// UserError: as TokenizerKind::load, and where no kind reads the directory.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& model_dir);

}  // namespace lait
