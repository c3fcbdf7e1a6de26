#include "eval/pair_score.h"

#include <algorithm>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/base/words.h"

namespace lait {

PairScore::PairScore(const ModelSpec& spec, const std::string& label) {
  const std::vector<std::string>& labels = spec.labels;
  if (labels.empty()) {
    if (!label.empty())
      throw UserError("--score: the model has a score and no labels; leave it out");
    return;
  }
  const auto found = std::ranges::find(labels, label);
  if (found == labels.end()) {
    throw UserError("--score: expected the label whose probability is the score, one of {" +
                    joined(labels) + "}, got " + (label.empty() ? "none" : shown(label)));
  }
  class_ = found - labels.begin();
}

}  // namespace lait
