#include "lait/data/dataset.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "lait/base/error.h"
#include "lait/data/crc.h"

namespace lait {
namespace {

// Distinct token sequences by content.
class SequenceIndex {
 public:
  // The index of an equal sequence added before; otherwise adds it as `next`.
  int32_t find_or_add(const std::vector<int32_t>& tokens, int64_t first_length, int32_t next) {
    std::string key(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(int32_t));
    key.append(reinterpret_cast<const char*>(&first_length), sizeof(first_length));
    return seen_.try_emplace(std::move(key), next).first->second;
  }

 private:
  std::unordered_map<std::string, int32_t> seen_;
};

// Numbers distinct names from 0.
class NameIndex {
 public:
  int32_t find_or_add(const std::string& name) {
    if (name.empty()) return -1;
    return seen_.try_emplace(name, static_cast<int32_t>(seen_.size())).first->second;
  }

 private:
  std::unordered_map<std::string, int32_t> seen_;
};

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

struct Sequence {
  std::vector<int32_t> tokens;
  int64_t first_length = 0;
  // Before truncation.
  int64_t full_length = 0;
  // The segments that lost tokens.
  std::vector<int32_t> truncated;
};

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
    out.truncated.clear();
    if (std::ssize(out.tokens) > kept) {
      out.tokens.resize(kept);
      out.truncated.push_back(static_cast<int32_t>(s));
    }
    append(out.tokens, layout_.suffix);
    out.first_length = std::ssize(out.tokens);
  }

  void pair(const std::vector<std::string>& segments, Sequence& out) {
    first_.clear();
    second_.clear();
    std::string prompted;
    tokenizer_.encode(dressed(segments[0], 0, prompted), first_);
    // The others are one text, joined by blanks: byte-level BPE sees what stands before a word.
    std::string others;
    std::vector<size_t> ends;  // of each segment in it
    for (size_t s = 1; s < segments.size(); ++s) {
      if (s > 1) others += ' ';
      others += dressed(segments[s], s, prompted);
      ends.push_back(others.size());
    }
    if (segments.size() > 1) tokenizer_.encode(others, second_);
    const bool has_second = segments.size() > 1;
    const int64_t special = layout_.special_tokens(has_second),
                  limit = options_.max_tokens - special;
    out.full_length = std::ssize(first_) + std::ssize(second_) + special;
    const Lengths kept = has_second ? longest_first(std::ssize(first_), std::ssize(second_), limit)
                                    : Lengths{std::min<int64_t>(std::ssize(first_), limit), 0};
    out.tokens = layout_.prefix;
    append(out.tokens, std::span(first_).first(kept.first));
    if (has_second) {
      out.first_length = std::ssize(out.tokens) + layout_.between_of_first;
      append(out.tokens, layout_.between);
      append(out.tokens, std::span(second_).first(kept.second));
    }
    append(out.tokens, layout_.suffix);
    if (!has_second) out.first_length = std::ssize(out.tokens);
    out.truncated.clear();
    if (kept.first < std::ssize(first_)) out.truncated.push_back(0);
    if (kept.second < std::ssize(second_)) {
      // Where the text is cut.
      std::vector<ByteRange> ranges;
      second_.clear();
      tokenizer_.encode(others, second_, ranges);
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
  std::vector<int32_t> first_, second_;
};

// A standalone segment needs room for one token of text; both texts of a pair may be cut to
// nothing.
void check_room(const TokenizeOptions& options) {
  const bool pair = options.format == SegmentFormat::kPair;
  const int64_t fewest = options.layout.special_tokens(pair) + (pair ? 0 : 1);
  if (options.max_tokens >= fewest) return;
  throw UserError("data.max_segment_tokens: expected at least " + std::to_string(fewest) + " (" +
                  std::to_string(options.layout.special_tokens(pair)) +
                  " special tokens among them), got " + std::to_string(options.max_tokens));
}

}  // namespace

Dataset::Dataset(std::span<const Example> examples, const Tokenizer& tokenizer,
                 const TokenizeOptions& options)
    : layout_(options.layout),
      sequence_scope_(options.format == SegmentFormat::kPair ? Scope::kExample : Scope::kSegment) {
  check_room(options);
  SequenceIndex index;
  NameIndex queries, passages;
  Dresser dresser(tokenizer, options);
  Sequence sequence;
  const auto add = [&](size_t e) {
    const bool too_long = sequence.full_length > options.max_tokens;
    if (too_long && options.on_overflow == OnOverflow::kError) {
      throw TooLong(example_name(examples, e), e,
                    "expected at most " + std::to_string(options.max_tokens) + " tokens, got " +
                        std::to_string(sequence.full_length) +
                        "; shorten it, raise data.max_segment_tokens, or set data.on_overflow: "
                        "truncate (of a checkpoint: in its lait.yaml)");
    }
    const auto next = static_cast<int32_t>(num_sequences());
    const int32_t found = index.find_or_add(sequence.tokens, sequence.first_length, next);
    if (found == next) {
      append(tokens_, sequence.tokens);
      offsets_.push_back(std::ssize(tokens_));
      first_lengths_.push_back(sequence.first_length);
    }
    // By example: sequences can be equal only because they were truncated.
    TokenizedExample& out = examples_.back();
    if (!sequence.truncated.empty()) {
      num_truncated_ += out.truncated.empty();
      out.truncated.insert(out.truncated.end(), sequence.truncated.begin(),
                           sequence.truncated.end());
    }
    out.sequences.push_back(found);
  };

  examples_.reserve(examples.size());
  for (size_t e = 0; e < examples.size(); ++e) {
    const Example& example = examples[e];
    TokenizedExample& out = examples_.emplace_back();
    out.label = example.label;
    out.query = queries.find_or_add(example.query);
    out.passage = passages.find_or_add(example.passage);
    if (sequence_scope_ == Scope::kExample) {
      dresser.pair(example.segments, sequence);
      add(e);
      continue;
    }
    out.groups = example.groups;
    for (size_t s = 0; s < example.segments.size(); ++s) {
      dresser.segment(example.segments[s], s, sequence);
      add(e);
    }
  }
}

int64_t Dataset::example_length(int64_t i) const {
  int64_t length = 0;
  for (int32_t sequence : examples_[i].sequences) length += this->length(sequence);
  return length;
}

uint32_t Dataset::checksum() const {
  Crc crc;
  crc.add(tokens_);
  crc.add(offsets_);
  crc.add(first_lengths_);
  for (const TokenizedExample& example : examples_) {
    crc.add(example.sequences);
    crc.add(example.groups);
    add_label(crc, example.label);
  }
  return crc.value();
}

}  // namespace lait
