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

  std::vector<Sequence> standalone(const Example& example) const {
    std::vector<Sequence> out;
    for (const SegmentPart& part : parts_of(example, options_)) segment(part, out.emplace_back());
    return out;
  }

  Sequence pair(const Example& example) const {
    const std::vector<SegmentPart> parts = parts_of(example, options_);
    return layout_.joins_texts ? one_text(parts) : two_texts(parts);
  }

 private:
  void segment(const SegmentPart& part, Sequence& out) const {
    out.text = hash_of_text(part.text);
    out.tokens = layout_.prefix;
    tokenizer_.encode(part.text, out.tokens);
    out.full_length = std::ssize(out.tokens) + std::ssize(layout_.suffix);
    const int64_t kept = options_.max_tokens - std::ssize(layout_.suffix);
    if (std::ssize(out.tokens) > kept) {
      out.tokens.resize(kept);
      out.truncated.push_back(part.segment);
    }
    append(out.tokens, layout_.suffix);
    out.first_length = std::ssize(out.tokens);
  }

  // A text of parts [first, size), joined by blanks, and where each of them ends.
  struct Joined {
    std::string text;
    std::vector<size_t> ends;
  };
  static Joined joined(std::span<const SegmentPart> parts) {
    Joined out;
    for (const SegmentPart& part : parts) {
      if (!out.ends.empty()) out.text += ' ';
      out.text += part.text;
      out.ends.push_back(out.text.size());
    }
    return out;
  }

  // Adds the segments that a cut at `byte` of their text shortens.
  static void add_cut(std::span<const SegmentPart> parts, const std::vector<size_t>& ends,
                      int32_t byte, Sequence& out) {
    for (size_t i = 0; i < ends.size(); ++i) {
      if (ends[i] > static_cast<size_t>(byte)) out.truncated.push_back(parts[i].segment);
    }
  }

  // T5's: the segments are one text.
  Sequence one_text(std::span<const SegmentPart> parts) const {
    const Joined whole = joined(parts);
    Sequence out;
    std::vector<ByteRange> ranges;
    tokenizer_.encode(whole.text, out.tokens, ranges);
    const int64_t limit = options_.max_tokens - layout_.special_tokens(false);
    out.full_length = std::ssize(out.tokens) + layout_.special_tokens(false);
    if (std::ssize(out.tokens) > limit) {
      add_cut(parts, whole.ends, ranges[limit].begin, out);
      out.tokens.resize(limit);
    }
    const auto kept = std::span(ranges).first(out.tokens.size());
    const auto second = std::ranges::find_if(kept, [&](const ByteRange& range) {
      return static_cast<size_t>(range.end) > whole.ends.front();
    });
    out.first_length = second - kept.begin();
    append(out.tokens, layout_.suffix);
    if (second == kept.end()) out.first_length = std::ssize(out.tokens);
    return out;
  }

  Sequence two_texts(std::span<const SegmentPart> parts) const {
    Sequence out;
    std::vector<int32_t> first, second;
    tokenizer_.encode(parts.front().text, first);
    // The others are one text, joined by blanks: byte-level BPE sees what stands before a word.
    const std::span<const SegmentPart> others = parts.subspan(1);
    const Joined rest = joined(others);
    const bool has_second = !others.empty();
    if (has_second) tokenizer_.encode(rest.text, second);
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
    if (kept.first < std::ssize(first)) out.truncated.push_back(parts.front().segment);
    if (kept.second < std::ssize(second)) {
      // Where the text is cut.
      std::vector<ByteRange> ranges;
      second.clear();
      tokenizer_.encode(rest.text, second, ranges);
      add_cut(others, rest.ends, ranges[kept.second].begin, out);
    }
    return out;
  }

  const Tokenizer& tokenizer_;
  const TokenizeOptions& options_;
  const SegmentLayout& layout_;
};

}  // namespace

std::vector<SegmentPart> parts_of(const Example& example, const TokenizeOptions& options) {
  const auto& prompts = options.prompts;
  const size_t size = example.segments.size();
  const bool prompted =
      options.layout.uses_prompts && prompts.size() == size && example.groups.empty();
  std::vector<SegmentPart> parts;
  for (size_t i = 0; i < size; ++i) {
    const int32_t segment = prompted ? prompts[i].segment : static_cast<int32_t>(i);
    std::string text = example.segments[segment];
    if (prompted && prompts[i].clean != nullptr) text = prompts[i].clean(std::move(text));
    parts.push_back({segment, prompted ? prompts[i].text + text : text});
  }
  return parts;
}

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
  if (options.format == SegmentFormat::kPair) return {dresser.pair(example)};
  return dresser.standalone(example);
}

}  // namespace lait
