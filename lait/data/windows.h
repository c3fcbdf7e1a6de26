// Windows: a passage that is longer than a sequence may be becomes several examples, each with a
// part of it.
//
// The passage is the example's last segment; its tokens are those of the whole text, cut into parts
// whose union is the passage. In the standalone format they depend on the passage alone, so all of
// its questions share them. In the pair format each question leaves other room.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lait/data/example.h"
#include "lait/data/token_arrays.h"
#include "lait/data/token_sequences.h"
#include "lait/text/tokenizer.h"

namespace lait {

struct TokenWindow {
  int64_t first = 0, size = 0;
  bool operator==(const TokenWindow&) const = default;
};

// Windows of at most `room` tokens, each of which begins `room` - overlap tokens behind the one
// before. An overlap of more than half of the room counts as half. At least one. REQUIRES: room >
// 0.
std::vector<TokenWindow> token_windows(int64_t num_tokens, int64_t room, int64_t overlap);

struct WindowedExample {
  // Where the passage's tokens stand in its text.
  std::vector<ByteRange> tokens = {};
  std::vector<TokenWindow> windows = {};
  // Standalone: the question's, then one for each window. Pair: one for each window.
  std::vector<Sequence> sequences = {};
};

// Makes windows of examples of two segments, question and passage. Questions of one passage should
// come one after the other: it is then tokenized once.
class Windower {
 public:
  // REQUIRES: options.window_overlap. Both must outlive it.
  Windower(const Tokenizer& tokenizer, const TokenizeOptions& options)
      : tokenizer_(tokenizer), options_(options) {}
  WindowedExample windows_of(const Example& example);

 private:
  const Tokenizer& tokenizer_;
  const TokenizeOptions& options_;
  // Of the passage tokenized last.
  std::string passage_;
  std::vector<int32_t> ids_;
  std::vector<ByteRange> ranges_;
};

// The tokens of a window that the byte range of its passage touches, from the window's first;
// size 0: it does not lie in the window. `tokens`: of the passage.
TokenWindow tokens_in_window(ByteRange bytes, const std::vector<ByteRange>& tokens,
                             const TokenWindow& window);

}  // namespace lait
