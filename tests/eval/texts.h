// Examples and a tokenizer for tests. It splits at spaces; each new word gets the next id, from 10.
#pragma once
#include <algorithm>
#include <map>

#include "lait/data/example.h"
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"

namespace lait {

// "[CLS] s [SEP]" and "[CLS] a [SEP] b [SEP]", as in BERT.
inline SegmentLayout words_layout() {
  return {.prefix = {1}, .between = {2}, .between_of_first = 1, .suffix = {2}, .second_type = 1};
}

class WordTokenizer : public Tokenizer {
 public:
  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    std::vector<ByteRange> ranges;
    encode(text, out, ranges);
  }
  void encode(std::string_view text, std::vector<int32_t>& out,
              std::vector<ByteRange>& ranges) const override {
    for (size_t end = 0;;) {
      const size_t begin = text.find_first_not_of(" \n\t", end);
      if (begin == text.npos) return;
      end = std::min(text.find_first_of(" \n\t", begin), text.size());
      const std::string word(text.substr(begin, end - begin));
      out.push_back(ids_.try_emplace(word, static_cast<int32_t>(10 + ids_.size())).first->second);
      ranges.push_back({static_cast<int32_t>(begin), static_cast<int32_t>(end)});
    }
  }
  SpecialTokens special_tokens() const override { return {.cls = 1, .sep = 2}; }
  int32_t vocab_size() const override { return 1000; }
  const std::map<std::string, std::string>& files() const override { return files_; }

 private:
  std::map<std::string, std::string> files_;
  mutable std::map<std::string, int32_t> ids_;
};

// "w0 w1 …", which has `tokens` tokens with [CLS] and [SEP]. Texts of different names share no
// sequence.
inline std::string text_of(const std::string& name, int tokens) {
  std::string text;
  for (int i = 0; i < tokens - 2; ++i) text += name + std::to_string(i) + " ";
  return text;
}

inline Example make_example(std::vector<std::string> segments, double label = -1) {
  Example example;
  example.segments = std::move(segments);
  if (label >= 0) example.label = ClassLabel{static_cast<int64_t>(label)};
  return example;
}

}  // namespace lait
