#include "lait/data/windows.h"

#include <algorithm>
#include <span>

namespace lait {
namespace {

void append_tokens(std::vector<int32_t>& out, std::span<const int32_t> tokens) {
  out.insert(out.end(), tokens.begin(), tokens.end());
}

}  // namespace

std::vector<TokenWindow> token_windows(int64_t num_tokens, int64_t room, int64_t overlap) {
  std::vector<TokenWindow> windows;
  const int64_t step = room - std::min(overlap, room / 2);
  for (int64_t first = 0;; first += step) {
    windows.push_back({first, std::min(room, num_tokens - first)});
    if (first + room >= num_tokens) return windows;
  }
}

WindowedExample Windower::windows_of(const Example& example) {
  const std::string& passage = example.segments.back();
  if (ids_.empty() || passage != passage_) {
    passage_ = passage;
    ids_.clear();
    ranges_.clear();
    tokenizer_.encode(passage_, ids_, ranges_);
  }
  const SegmentLayout& layout = options_.layout;
  const bool pair = options_.format == SegmentFormat::kPair;
  std::vector<int32_t> question;
  tokenizer_.encode(example.segments.front(), question);
  const int64_t limit = options_.max_tokens - layout.special_tokens(pair);
  // A pair's question takes at most half, so that every passage has room.
  const int64_t kept = std::min<int64_t>(std::ssize(question), pair ? limit / 2 : limit);
  const int64_t lost = std::ssize(question) - kept;
  const auto asked = std::span(std::as_const(question)).first(static_cast<size_t>(kept));
  const auto dressed = [&](std::span<const int32_t> text) {
    Sequence out;
    out.tokens = layout.prefix;
    append_tokens(out.tokens, text);
    append_tokens(out.tokens, layout.suffix);
    out.first_length = out.full_length = std::ssize(out.tokens);
    return out;
  };
  WindowedExample out{.tokens = ranges_};
  out.windows =
      token_windows(std::ssize(ids_), pair ? limit - kept : limit, options_.window_overlap.value());
  if (!pair) out.sequences.push_back(dressed(asked));
  for (const TokenWindow& window : out.windows) {
    const auto part =
        std::span(std::as_const(ids_))
            .subspan(static_cast<size_t>(window.first), static_cast<size_t>(window.size));
    if (!pair) {
      out.sequences.push_back(dressed(part));
      continue;
    }
    Sequence& sequence = out.sequences.emplace_back();
    sequence.tokens = layout.prefix;
    append_tokens(sequence.tokens, asked);
    sequence.first_length = std::ssize(sequence.tokens) + layout.between_of_first;
    append_tokens(sequence.tokens, layout.between);
    append_tokens(sequence.tokens, part);
    append_tokens(sequence.tokens, layout.suffix);
    sequence.full_length = std::ssize(sequence.tokens);
  }
  // What is too long is the question alone.
  if (lost > 0) {
    for (Sequence& sequence : std::span(out.sequences).first(pair ? out.sequences.size() : 1)) {
      sequence.full_length = options_.max_tokens + lost;
      sequence.truncated.push_back(0);
    }
  }
  return out;
}

TokenWindow tokens_in_window(ByteRange bytes, const std::vector<ByteRange>& tokens,
                             const TokenWindow& window) {
  // Tokens stand in the text's order, but may be empty or overlap.
  const auto first = std::ranges::find_if(
                         tokens, [&](const ByteRange& token) { return token.end > bytes.begin; }) -
                     tokens.begin();
  auto end = first;
  while (end < std::ssize(tokens) && tokens[static_cast<size_t>(end)].begin < bytes.end) ++end;
  if (end == first || first < window.first || end > window.first + window.size) return {};
  return {first - window.first, end - first};
}

}  // namespace lait
