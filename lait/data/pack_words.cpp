// The words of rows and keys: what the lexical bias compares (kernels/lexical_bias.h).
#include <algorithm>

#include "kernels/lexical_bias.h"
#include "lait/base/error.h"
#include "lait/data/packer.h"

namespace lait {

int32_t PackState::word(int32_t token, int32_t segment) const {
  if (segment >= kernels::kMaxWordSegments) {
    throw UserError("model.lexical_bias: expected at most " +
                    std::to_string(kernels::kMaxWordSegments) +
                    " segments in an example, got more; train without it");
  }
  const bool is_word = std::ranges::find(layout.no_words, token) == layout.no_words.end();
  return is_word ? kernels::word_of(token, segment) : kernels::kNoWord;
}

std::vector<int32_t> PackState::words_of(const Units& units) const {
  std::vector<int32_t> words;
  for (int32_t u = 0; u < units.size(); ++u) {
    const int32_t first = units.segment_begin[u];
    for (int32_t s = first; s < units.segment_begin[u + 1]; ++s) {
      for (int32_t r = units.segment_rows[s]; r < units.segment_rows[s + 1]; ++r)
        words.push_back(word(units.tokens[r], s - first));
    }
  }
  return words;
}

}  // namespace lait
