// BertNormalizer of Hugging Face's Rust `tokenizers`: text to the cleaned text that is cut into words.
//
// In this order: control characters removed and white space made " ", Chinese characters set apart by spaces, canonical
// decomposition without non-spacing marks, lower case of each character. Decoding is part of it: invalid UTF-8 becomes
// U+FFFD as Python's errors="replace" has it (one for each maximal subpart), and clean_text then removes U+FFFD.
#pragma once
#include <array>
#include <string>
#include <string_view>

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

  // Appends the normalised text, valid UTF-8, to out. Linear but for runs of combining marks, which are sorted.
  void normalize(std::string_view text, std::string& out) const;

 private:
  BertNormalizerOptions options_;
  std::array<unsigned char, 128> ascii_;  // what becomes of each ASCII character
};

}  // namespace lait
