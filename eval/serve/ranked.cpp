#include "eval/serve/ranked.h"

#include <algorithm>
#include <cmath>

#include "eval/prediction_json.h"
#include "eval/serve/http.h"
#include "lait/base/shown_text.h"

namespace lait {

void check_finite(double score) {
  if (std::isfinite(score)) return;
  throw HttpError(500, "expected a finite score, got " + std::to_string(shown_number(score)) +
                           ": the model's weights are damaged, or its training diverged; take "
                           "another checkpoint");
}

std::vector<Ranked> ranked(const JobResult& result, const PairScore& score, const ModelSpec& spec,
                           bool raw, std::optional<int64_t> top) {
  const bool has_logits = raw && !result.logits.empty();
  std::vector<Ranked> out;
  for (size_t i = 0; i < result.predictions.size(); ++i) {
    out.push_back({i, has_logits ? result.logits[i] : score(result.predictions[i])});
    check_finite(out.back().score);
  }
  std::ranges::stable_sort(out, std::greater<>(), &Ranked::score);
  if (top && *top < std::ssize(out)) out.resize(static_cast<size_t>(*top));
  for (Ranked& document : out) {
    document.score = has_logits ? as_float(document.score) : shown_score(document.score, spec);
  }
  return out;
}

}  // namespace lait
