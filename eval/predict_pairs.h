// Many against few: the score of every claim with every passage (retrieval, fact checking), keeping
// the best passages of each claim. The product of the two files is never in memory.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "eval/text_lines.h"
#include "lait/predict/predictor.h"

namespace lait {

struct PairsOptions {
  // Passages that are kept for each claim.
  int64_t top = 10;
  // Of a classifier: the class whose probability is the score; "": the head has a score.
  std::string score_label = {};
  // Called after each window with the pairs that are scored. May be null.
  std::function<void(int64_t)> on_progress = {};
};

// Writes a line for each claim, in their order: {"id": …, "matches": [{"passage": …, "score": …}]},
// the best first; a passage is named by its "id", or by its number from 0. Each text is computed
// once, or comes from the store. Returns the number of pairs. REQUIRES: predictor.use_store was
// called (a null store will do). Throws UserError for a model that does not take two segments or
// has no such score, for files without texts, for texts that are too long, and for scores that are
// not finite.
int64_t predict_pairs(Predictor& predictor, TextLines claims, TextLines passages,
                      const PairsOptions& options,
                      const std::function<void(std::string_view)>& write);

}  // namespace lait
