// BertNormalizer of Hugging Face's Rust `tokenizers`: text to the cleaned text that is split into
// words.
//
// In this order: control characters removed and white space made " ", Chinese characters set apart
// by spaces, canonical decomposition without non-spacing marks, lower case of each character.
// Invalid UTF-8 becomes U+FFFD as with Python's errors="replace" (one for each maximal subpart),
// and clean_text then removes U+FFFD.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/tokenizer.h"

namespace lait {

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

class BertNormalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options);

  // Appends the normalised text, valid UTF-8, to out. Takes linear time but for sorting each run of
  // combining marks.
  void normalize(std::string_view text, std::string& out) const;
  // The same, and appends for each byte of out the bytes of text that it was made from.
  void normalize(std::string_view text, std::string& out, std::vector<ByteRange>& ranges) const;

 private:
  template <class Sink>
  void normalize_into(std::string_view text, Sink& sink) const;

  BertNormalizerOptions options_;
  // What becomes of each ASCII character.
  std::array<unsigned char, 128> ascii_;
};

}  // namespace lait
