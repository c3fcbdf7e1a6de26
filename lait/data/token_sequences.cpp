#include "lait/data/token_sequences.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "lait/base/error.h"

namespace lait {
namespace {

struct Lengths {
  int64_t first, second;
};

// How much of a pair is kept within `limit` tokens (without special tokens): longest-first as in
// Hugging Face's tokenizers.
Lengths longest_first(int64_t first, int64_t second, int64_t limit) {
  if (first + second <= limit) return {first, second};
  int64_t shorter = std::min(first, second);
  int64_t longer = shorter > limit ? shorter : std::max(shorter, limit - shorter);
  if (shorter + longer > limit) {
    shorter = limit / 2;
    longer = shorter + limit % 2;
  }
  return first <= second ? Lengths{shorter, longer} : Lengths{longer, shorter};
}

void append(std::vector<int32_t>& out, std::span<const int32_t> tokens) {
  out.insert(out.end(), tokens.begin(), tokens.end());
}

// Turns examples into token sequences of a layout.
class Dresser {
 public:
  Dresser(const Tokenizer& tokenizer, const TokenizeOptions& options)
      : tokenizer_(tokenizer), options_(options), layout_(options.layout) {}

  void segment(const std::string& text, size_t s, Sequence& out) const {
    out.tokens = layout_.prefix;
    std::string prompted;
    tokenizer_.encode(dressed(text, s, prompted), out.tokens);
    out.full_length = std::ssize(out.tokens) + std::ssize(layout_.suffix);
    const int64_t kept = options_.max_tokens - std::ssize(layout_.suffix);
    if (std::ssize(out.tokens) > kept) {
      out.tokens.resize(kept);
      out.truncated.push_back(static_cast<int32_t>(s));
    }
    append(out.tokens, layout_.suffix);
    out.first_length = std::ssize(out.tokens);
  }

  void pair(const std::vector<std::string>& segments, Sequence& out) const {
    std::vector<int32_t> first, second;
    std::string prompted;
    tokenizer_.encode(dressed(segments[0], 0, prompted), first);
    // The others are one text, joined by blanks: byte-level BPE sees what stands before a word.
    std::string others;
    std::vector<size_t> ends;  // of each segment in it
    for (size_t s = 1; s < segments.size(); ++s) {
      if (s > 1) others += ' ';
      others += dressed(segments[s], s, prompted);
      ends.push_back(others.size());
    }
    if (segments.size() > 1) tokenizer_.encode(others, second);
    const bool has_second = segments.size() > 1;
    const int64_t special = layout_.special_tokens(has_second),
                  limit = options_.max_tokens - special;
    out.full_length = std::ssize(first) + std::ssize(second) + special;
    const Lengths kept = has_second ? longest_first(std::ssize(first), std::ssize(second), limit)
                                    : Lengths{std::min<int64_t>(std::ssize(first), limit), 0};
    out.tokens = layout_.prefix;
    append(out.tokens, std::span(first).first(kept.first));
    if (has_second) {
      out.first_length = std::ssize(out.tokens) + layout_.between_of_first;
      append(out.tokens, layout_.between);
      append(out.tokens, std::span(second).first(kept.second));
    }
    append(out.tokens, layout_.suffix);
    if (!has_second) out.first_length = std::ssize(out.tokens);
    if (kept.first < std::ssize(first)) out.truncated.push_back(0);
    if (kept.second < std::ssize(second)) {
      // Where the text is cut.
      std::vector<ByteRange> ranges;
      second.clear();
      tokenizer_.encode(others, second, ranges);
      const auto cut = static_cast<size_t>(ranges[kept.second].begin);
      for (size_t s = 0; s < ends.size(); ++s) {
        if (ends[s] > cut) out.truncated.push_back(static_cast<int32_t>(s) + 1);
      }
    }
  }

 private:
  // The text of a segment with its prompt, if the layout uses prompts: `text`, or `prompted`.
  std::string_view dressed(const std::string& text, size_t segment, std::string& prompted) const {
    if (!layout_.uses_prompts || segment >= options_.prompts.size()) return text;
    prompted = options_.prompts[segment] + text;
    return prompted;
  }

  const Tokenizer& tokenizer_;
  const TokenizeOptions& options_;
  const SegmentLayout& layout_;
};

}  // namespace

// A standalone segment and a window need room for one token of text; both texts of a pair may be
// cut to nothing.
void check_room(const TokenizeOptions& options) {
  const bool pair = options.format == SegmentFormat::kPair;
  const int64_t fewest =
      options.layout.special_tokens(pair) + (pair && !options.window_overlap ? 0 : 1);
  if (options.max_tokens >= fewest) return;
  throw UserError("data.max_segment_tokens: expected at least " + std::to_string(fewest) + " (" +
                  std::to_string(options.layout.special_tokens(pair)) +
                  " special tokens among them), got " + std::to_string(options.max_tokens));
}

std::vector<Sequence> sequences_of(const Example& example, const Tokenizer& tokenizer,
                                   const TokenizeOptions& options) {
  const Dresser dresser(tokenizer, options);
  if (options.format == SegmentFormat::kPair) {
    std::vector<Sequence> out(1);
    dresser.pair(example.segments, out.front());
    return out;
  }
  std::vector<Sequence> out(example.segments.size());
  for (size_t s = 0; s < out.size(); ++s) dresser.segment(example.segments[s], s, out[s]);
  return out;
}

}  // namespace lait
