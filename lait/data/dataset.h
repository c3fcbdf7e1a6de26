// A tokenized data set: each distinct token sequence once, and the examples as lists of sequences.
//
// Standalone format: a sequence is one segment, so its states depend on nothing else. Pair format
// (the stock layout, P = 0 only): a sequence is a whole example, truncated longest-first as Hugging
// Face does; with more than two segments the second text is the others, joined by blanks.
// The SegmentLayout says which special tokens stand where.
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
  // The most tokens of a sequence, special tokens included; at most the model's positions.
  int64_t max_tokens = 512;
  OnOverflow on_overflow = OnOverflow::kTruncate;
  // Prepended to the segments if the layout uses prompts (Task::prompts).
  std::vector<std::string> prompts = {};
};

struct TokenizedExample {
  // Standalone: one for each segment, in order. Pair: one sequence.
  std::vector<int32_t> sequences;
  // Like Example::groups; empty: none.
  std::vector<int32_t> groups;
  // The segments that lost tokens.
  std::vector<int32_t> truncated;
  Label label;
  // Numbers of the distinct Example::query and Example::passage; -1: none.
  int32_t query = -1, passage = -1;
};

// A sequence is too long and options.on_overflow forbids truncation.
struct TooLong : UserError {
  TooLong(const std::string& example_name, size_t example, const std::string& problem)
      : UserError(example_name + ": " + problem), example(example), problem(problem) {}
  // The example's index.
  size_t example;
  // "expected …, got …; way out", without the example's name.
  std::string problem;
};

class Dataset {
 public:
  // Throws TooLong, and UserError if max_tokens leaves no room beside the special tokens.
  Dataset(std::span<const Example> examples, const Tokenizer& tokenizer,
          const TokenizeOptions& options);

  int64_t size() const { return static_cast<int64_t>(examples_.size()); }
  const TokenizedExample& example(int64_t i) const { return examples_[i]; }
  const std::vector<TokenizedExample>& examples() const { return examples_; }
  // What one sequence is: a segment, or an example in the pair format.
  Scope sequence_scope() const { return sequence_scope_; }
  const SegmentLayout& layout() const { return layout_; }
  int64_t num_sequences() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  std::span<const int32_t> tokens(int32_t sequence) const {
    return {tokens_.data() + offsets_[sequence], tokens_.data() + offsets_[sequence + 1]};
  }
  int64_t length(int32_t sequence) const { return offsets_[sequence + 1] - offsets_[sequence]; }
  // Tokens of a pair sequence's first segment, its special tokens included; the whole length of a
  // standalone sequence.
  int64_t first_segment_length(int32_t sequence) const { return first_lengths_[sequence]; }
  // Tokens of all its sequences.
  int64_t example_length(int64_t i) const;
  // CRC-32 of all tokens, examples and labels in order: equal for equal data.
  uint32_t checksum() const;
  // Examples of which a segment lost tokens.
  int64_t num_truncated() const { return num_truncated_; }

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
