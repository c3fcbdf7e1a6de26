// A prediction as JSON: {"label": …, "scores": {…}} or {"score": …}, and which segments lost
// tokens. lait-predict's lines and lait-serve's answers are these.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "lait/data/records.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {

// The fields that it may have.
inline constexpr std::string_view kPredictionFields[] = {"label", "scores", "score", "truncated"};

// The number whose shortest text is that of `value` as a float, the precision of the logits: 0.3,
// not 0.30000001192092896.
double as_float(double value);
// A score as it is written.
double shown_score(double score, const ModelSpec& spec);

// Adds the prediction's fields. REQUIRES: its score is finite.
void add_prediction(Record::Json& line, const Prediction& prediction, const ModelSpec& spec);
// Adds "truncated", if segments lost tokens.
void add_truncated(Record::Json& line, std::span<const int32_t> truncated);

}  // namespace lait
