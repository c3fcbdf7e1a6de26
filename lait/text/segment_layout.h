// How a model family dresses segments as token sequences: which special tokens stand where, and to
// which segment each of them counts in means.
//
//   standalone   prefix s suffix               [CLS] s [SEP]            <s> s </s>
//   pair         prefix a between b suffix     [CLS] a [SEP] b [SEP]    <s> a </s></s> b </s>
#pragma once
#include <cstdint>
#include <vector>

namespace lait {

struct SegmentLayout {
  // Counts to the segment behind it.
  std::vector<int32_t> prefix = {};
  // The first `between_of_first` tokens of it count to the pair's first segment, the others to the
  // second.
  std::vector<int32_t> between = {};
  int64_t between_of_first = 0;
  // Counts to the segment before it.
  std::vector<int32_t> suffix = {};
  // Token types by role: of a standalone segment and of a pair's first segment, and of a pair's
  // second.
  int32_t first_type = 0, second_type = 0;
  // The position of a sequence's first token.
  int32_t first_position = 0;
  // A token that positions leave out, as RoBERTa does with padding wherever it stands: it gets the
  // position before first_position; -1: none.
  int32_t uncounted_token = -1;
  // A pair is one text, its segments joined by blanks; `between` is then not used.
  bool joins_texts = false;
  // Texts that a task puts before its segments (Task::prompts) are used.
  bool uses_prompts = false;
  // Tokens that are no words (kernels/lexical_bias.h): the tokenizer's special tokens.
  std::vector<int32_t> no_words = {};

  int64_t special_tokens(bool with_second) const {
    return static_cast<int64_t>(prefix.size() + suffix.size() + (with_second ? between.size() : 0));
  }
};

}  // namespace lait
