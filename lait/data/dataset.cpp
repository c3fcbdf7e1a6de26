#include "lait/data/dataset.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

#include "lait/base/error.h"
#include "lait/data/crc.h"

namespace lait {
namespace {

// Distinct token sequences by content.
class SequenceIndex {
 public:
  // The index of an equal sequence seen before, or `next` after noting it.
  int32_t find_or_add(const std::vector<int32_t>& tokens, int64_t first_length, int32_t next) {
    std::string key(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(int32_t));
    key.append(reinterpret_cast<const char*>(&first_length), sizeof(first_length));
    return seen_.try_emplace(std::move(key), next).first->second;
  }

 private:
  std::unordered_map<std::string, int32_t> seen_;
};

struct Lengths {
  int64_t first, second;
};

// How much of a pair remains within `limit` tokens (special tokens not counted): Hugging Face tokenizers' longest-first.
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

}  // namespace

Dataset::Dataset(std::span<const Example> examples, const Tokenizer& tokenizer,
                 const TokenizeOptions& options) {
  SequenceIndex index;
  std::vector<int32_t> tokens, first, second;
  auto overflow = [&](size_t e, int64_t length) {
    if (options.on_overflow != OnOverflow::kError) return;
    throw TooLong(example_name(examples, e), e,
                  "expected at most " + std::to_string(options.max_tokens) + " tokens, got " +
                      std::to_string(length) +
                      "; shorten it, raise data.max_segment_tokens, or set data.on_overflow: "
                      "truncate (of a checkpoint: in its lait.yaml)");
  };
  auto add = [&](int64_t first_length, bool truncated) {
    const auto next = static_cast<int32_t>(num_sequences());
    const int32_t found = index.find_or_add(tokens, first_length, next);
    if (found == next) {
      tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
      offsets_.push_back(static_cast<int64_t>(tokens_.size()));
      first_lengths_.push_back(first_length);
      num_truncated_ += truncated;
    }
    return found;
  };

  examples_.reserve(examples.size());
  for (size_t e = 0; e < examples.size(); ++e) {
    const Example& example = examples[e];
    TokenizedExample out;
    out.label = example.label;
    const bool pair = options.format == SegmentFormat::kPair;
    if (pair) {
      first.clear();
      second.clear();
      tokenizer.encode(example.segments[0], first);
      for (size_t s = 1; s < example.segments.size(); ++s)
        tokenizer.encode(example.segments[s], second);
      const bool has_second = example.segments.size() > 1;
      const int64_t special = has_second ? 3 : 2;
      const auto length = static_cast<int64_t>(first.size() + second.size()) + special;
      if (length > options.max_tokens) overflow(e, length);
      const Lengths kept =
          has_second
              ? longest_first(static_cast<int64_t>(first.size()),
                              static_cast<int64_t>(second.size()), options.max_tokens - special)
              : Lengths{std::min<int64_t>(static_cast<int64_t>(first.size()),
                                          options.max_tokens - special),
                        0};
      tokens.assign(1, tokenizer.cls_id());
      tokens.insert(tokens.end(), first.begin(), first.begin() + kept.first);
      tokens.push_back(tokenizer.sep_id());
      const auto first_length = static_cast<int64_t>(tokens.size());
      if (has_second) {
        tokens.insert(tokens.end(), second.begin(), second.begin() + kept.second);
        tokens.push_back(tokenizer.sep_id());
      }
      out.sequences.push_back(add(first_length, length > options.max_tokens));
    } else {
      out.groups = example.groups;
      for (const std::string& segment : example.segments) {
        tokens.assign(1, tokenizer.cls_id());
        tokenizer.encode(segment, tokens);
        tokens.push_back(tokenizer.sep_id());
        const auto length = static_cast<int64_t>(tokens.size());
        if (length > options.max_tokens) {
          overflow(e, length);
          tokens.resize(options.max_tokens);
          tokens.back() = tokenizer.sep_id();
        }
        out.sequences.push_back(
            add(static_cast<int64_t>(tokens.size()), length > options.max_tokens));
      }
    }
    examples_.push_back(std::move(out));
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
    crc.add(std::array{example.label});
  }
  return crc.value();
}

}  // namespace lait
