// A tokenized data set: each distinct token sequence once, and the examples as lists of sequences.
// Its arrays lie in memory or in a mapped file (token_file.h).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lait/base/error.h"
#include "lait/config/config.h"
#include "lait/data/example.h"
#include "lait/data/token_arrays.h"
#include "lait/data/token_sequences.h"
#include "lait/text/tokenizer.h"

namespace lait {

// Valid as long as the data set.
struct TokenizedExample {
  // Standalone: one for each segment, in order. Pair: one sequence.
  std::span<const int32_t> sequences;
  // Like Example::groups; empty: none.
  std::span<const int32_t> groups;
  // The segments that lost tokens.
  std::span<const int32_t> truncated;
  Label label;
  // In a data set of windows the label is in tokens of the window: its spans that lie in it.
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
  // On so many threads; the result does not depend on them. Throws TooLong, and UserError if
  // max_tokens leaves no room beside the special tokens.
  Dataset(std::span<const Example> examples, const Tokenizer& tokenizer,
          const TokenizeOptions& options, int threads = 1);
  // Of arrays that were made with those options. `storage` keeps them alive.
  Dataset(const TokenArrays<View>& arrays, const TokenizeOptions& options,
          std::shared_ptr<const void> storage);
  Dataset(std::shared_ptr<const TokenArrays<Owned>> arrays, const TokenizeOptions& options);

  int64_t size() const { return arrays_.sequences.size(); }
  TokenizedExample example(int64_t i) const;
  // What one sequence is: a segment, or an example in the pair format.
  Scope sequence_scope() const { return sequence_scope_; }
  const SegmentLayout& layout() const { return layout_; }
  int64_t num_sequences() const { return arrays_.tokens.size(); }
  std::span<const int32_t> tokens(int32_t sequence) const { return arrays_.tokens[sequence]; }
  int64_t length(int32_t sequence) const { return arrays_.tokens.length(sequence); }
  // Tokens of a pair sequence's first segment, its special tokens included; the whole length of a
  // standalone sequence.
  int64_t first_segment_length(int32_t sequence) const { return arrays_.first_lengths[sequence]; }
  const SequenceText& text_of(int32_t sequence) const { return arrays_.sequence_texts[sequence]; }
  // Whether examples are windows of passages; then:
  bool has_windows() const { return !arrays_.windows.empty(); }
  const Window& window(int64_t i) const { return arrays_.windows[i]; }
  int64_t num_questions() const { return arrays_.answers.size(); }
  // Correct answers, in bytes of the passage; none: it has no answer, or the label is not known.
  std::span<const ByteRange> answers(int32_t question) const { return arrays_.answers[question]; }
  std::string_view passage_text(int32_t passage) const {
    const std::span<const char> text = arrays_.passage_texts[passage];
    return {text.data(), text.size()};
  }
  // Where its tokens stand in that text.
  std::span<const ByteRange> passage_tokens(int32_t passage) const {
    return arrays_.passage_tokens[passage];
  }
  // Tokens of all its sequences.
  int64_t example_length(int64_t i) const;
  // Equal for examples with equal texts.
  uint64_t text_hash(int64_t i) const { return arrays_.texts[i]; }
  // CRC-32 of all tokens, examples and labels in order: equal for equal data.
  uint32_t checksum() const;
  // Examples of which a segment lost tokens.
  int64_t num_truncated() const { return num_truncated_; }
  // Examples of each class, of so many.
  std::vector<int64_t> class_counts(size_t num_classes) const;

 private:
  SegmentLayout layout_;
  Scope sequence_scope_;
  TokenArrays<View> arrays_;
  std::shared_ptr<const void> storage_;
  int64_t num_truncated_ = 0;
};

}  // namespace lait
