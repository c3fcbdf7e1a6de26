// Documents in the order of their scores.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "eval/pair_score.h"
#include "eval/serve/job_queue.h"
#include "lait/model/spec.h"

namespace lait {

struct Ranked {
  size_t index = 0;  // of the document
  double score = 0;  // as it is written
};

// The best first; of equal scores the earlier document. `raw`: the logit instead, if the score is a
// logit's sigmoid. Throws HttpError 500 for a score that is not finite.
std::vector<Ranked> ranked(const JobResult& result, const PairScore& score, const ModelSpec& spec,
                           bool raw, std::optional<int64_t> top);

// Throws it for one score.
void check_finite(double score);

}  // namespace lait
