// A tokenizer for tests: each byte is a token.
#pragma once
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"

namespace lait {

// "[CLS] s [SEP]" and "[CLS] a [SEP] b [SEP]", as BERT has it.
inline SegmentLayout letters_layout() {
  return {.prefix = {1}, .between = {2}, .between_of_first = 1, .suffix = {2}, .second_type = 1};
}

class LettersTokenizer : public Tokenizer {
 public:
  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    for (unsigned char c : text) out.push_back(c);
  }
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override {
    encode(text, out);
    for (int32_t i = 0; i < static_cast<int32_t>(text.size()); ++i) ranges.push_back({i, i + 1});
  }
  SpecialTokens special_tokens() const override { return {.cls = 1, .sep = 2}; }
  int32_t vocab_size() const override { return 256; }
  const std::map<std::string, std::string>& files() const override { return files_; }

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace lait
