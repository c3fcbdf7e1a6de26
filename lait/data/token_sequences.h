// From texts to token sequences.
//
// Standalone format: a sequence is one segment, so its states depend on nothing else. Pair format
// (the stock layout, P = 0 only): a sequence is a whole example, truncated longest-first as Hugging
// Face does; with more than two segments the second text is the others, joined by blanks.
// The SegmentLayout says which special tokens stand where.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lait/base/content_hash.h"
#include "lait/config/config.h"
#include "lait/data/example.h"
#include "lait/data/task.h"
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
  // Each example becomes windows of its passage, which have so many tokens in common (windows.h);
  // nullopt: examples are left whole.
  std::optional<int64_t> window_overlap = {};
  // If the layout uses prompts (Task::prompts): the order of the sequences, and what is prepended.
  // Not used for examples with another number of segments, or with groups.
  std::vector<Prompts::Part> prompts = {};
};

// A segment in its place in the input, with its prompt.
struct SegmentPart {
  int32_t segment = 0;  // of the example
  std::string text = {};
};
// In the order of the input.
std::vector<SegmentPart> parts_of(const Example& example, const TokenizeOptions& options);

struct Sequence {
  std::vector<int32_t> tokens;
  // Dataset::first_segment_length.
  int64_t first_length = 0;
  // Before truncation.
  int64_t full_length = 0;
  // The segments that lost tokens.
  std::vector<int32_t> truncated;
  // hash_of_text of what was tokenized, with its prompt; of a standalone segment only.
  std::optional<Digest> text = {};
};

// Throws UserError if max_tokens leaves no room beside the special tokens.
void check_room(const TokenizeOptions& options);
// Standalone: one for each segment, in order. Pair: one.
std::vector<Sequence> sequences_of(const Example& example, const Tokenizer& tokenizer,
                                   const TokenizeOptions& options);

}  // namespace lait
