// lait/text/: tokenizers.
//
// The Tokenizer interface: text to ids without special tokens, and the special tokens that the model's layout needs.
// Segment formats (where [CLS] and [SEP] go) belong to lait/data; a tokenizer knows only its vocabulary.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

inline constexpr int32_t kNoToken = -1;

// Ids of the special tokens; kNoToken where the tokenizer has none of that kind.
struct SpecialTokens {
  int32_t cls = kNoToken, sep = kNoToken, pad = kNoToken, unk = kNoToken, mask = kNoToken;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Appends the ids of text to out, without special tokens and without truncation. Thread-safe. Never throws on any
  // bytes: invalid UTF-8 becomes U+FFFD. Equals Hugging Face's encode(text, add_special_tokens=False).
  virtual void encode(std::string_view text, std::vector<int32_t>& out) const = 0;
  virtual int32_t cls_id() const = 0;
  virtual int32_t sep_id() const = 0;
  SpecialTokens special_tokens() const { return {.cls = cls_id(), .sep = sep_id()}; }
  virtual int32_t vocab_size() const = 0;
  // Copies the files that define it (vocab.txt, tokenizer.json, tokenizer_config.json …) into dir.
  virtual void save(const std::filesystem::path& dir) const = 0;
};

// Reads the tokenizer of a Hugging Face model directory: tokenizer.json, else vocab.txt; lower-casing and accents from
// tokenizer_config.json, else tokenizer.json, else as the vocabulary is (capital letters: cased). Throws UserError naming
// the missing or malformed file.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& model_dir);

}  // namespace lait
