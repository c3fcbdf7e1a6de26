// A tokenized data set: each distinct sequence of tokens once, and the examples as lists of sequences.
//
// Standalone format: a sequence is one segment, so that its states depend on nothing else. Pair format (the stock layout,
// P = 0 only): a sequence is a whole example, truncated longest-first as Hugging Face does; with more than two segments
// the second is the others, joined in the task's order. Which special tokens stand where is the SegmentLayout's word.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lait/base/error.h"
#include "lait/config/config.h"
#include "lait/data/example.h"
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"

namespace lait {

struct TokenizeOptions {
  SegmentLayout layout = {};
  // kStandalone or kPair.
  SegmentFormat format = SegmentFormat::kStandalone;
  // Of a sequence, special tokens included; at most the model's positions.
  int64_t max_tokens = 512;
  OnOverflow on_overflow = OnOverflow::kTruncate;
  // Put before the segments where the layout uses prompts (Task::prompts).
  std::vector<std::string> prompts = {};
};

struct TokenizedExample {
  // Standalone: one for each segment, in order; pair: the one sequence.
  std::vector<int32_t> sequences;
  // As Example::groups; empty: none.
  std::vector<int32_t> groups;
  Label label;
  // Numbers of the distinct Example::query and passage; -1: none.
  int32_t query = -1, passage = -1;
};

// A sequence that is too long where options.on_overflow says that none may be.
struct TooLong : UserError {
  TooLong(const std::string& example_name, size_t example, const std::string& problem)
      : UserError(example_name + ": " + problem), example(example), problem(problem) {}
  size_t example;       // its index
  std::string problem;  // "expected …, got …; way out", without the example's name
};

class Dataset {
 public:
  // Throws TooLong, and UserError where max_tokens has no room for the special tokens.
  Dataset(std::span<const Example> examples, const Tokenizer& tokenizer,
          const TokenizeOptions& options);

  int64_t size() const { return static_cast<int64_t>(examples_.size()); }
  const TokenizedExample& example(int64_t i) const { return examples_[i]; }
  const std::vector<TokenizedExample>& examples() const { return examples_; }
  // What one sequence is: a segment, or in the pair format an example.
  Scope sequence_scope() const { return sequence_scope_; }
  const SegmentLayout& layout() const { return layout_; }
  int64_t num_sequences() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  std::span<const int32_t> tokens(int32_t sequence) const {
    return {tokens_.data() + offsets_[sequence], tokens_.data() + offsets_[sequence + 1]};
  }
  int64_t length(int32_t sequence) const { return offsets_[sequence + 1] - offsets_[sequence]; }
  // Tokens of the first segment of a pair sequence, its special tokens included; the whole length of a standalone one.
  int64_t first_segment_length(int32_t sequence) const { return first_lengths_[sequence]; }
  int64_t example_length(int64_t i) const;  // tokens of all its sequences
  // A checksum (CRC-32) of all tokens, examples and labels in their order: equal for equal data.
  uint32_t checksum() const;
  int64_t num_truncated() const { return num_truncated_; }  // distinct sequences that lost tokens

 private:
  SegmentLayout layout_;
  Scope sequence_scope_;
  std::vector<TokenizedExample> examples_;
  std::vector<int32_t> tokens_;
  std::vector<int64_t> offsets_{0};
  std::vector<int64_t> first_lengths_;
  int64_t num_truncated_ = 0;
};

}  // namespace lait
