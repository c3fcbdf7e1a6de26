// Examples and a tokenizer for tests. It splits at spaces; each new word gets the next id, from 10.
#pragma once
#include <map>
#include <sstream>

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
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;)
      out.push_back(ids_.try_emplace(word, static_cast<int32_t>(10 + ids_.size())).first->second);
  }
  int32_t cls_id() const override { return 1; }
  int32_t sep_id() const override { return 2; }
  int32_t vocab_size() const override { return 1000; }
  void save(const std::filesystem::path&) const override {}

 private:
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
