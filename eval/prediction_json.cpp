#include "eval/prediction_json.h"

#include <charconv>
#include <vector>

namespace lait {

double as_float(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), static_cast<float>(value)).ptr;
  double out = 0;
  std::from_chars(text, end, out);
  return out;
}

double shown_score(double score, const ModelSpec& spec) {
  // A relevance near 1 needs all its digits, or passages would have equal scores.
  const LabelKind kind = spec.label_kind();
  return kind == LabelKind::kClass || kind == LabelKind::kNumber ? as_float(score) : score;
}

void add_prediction(Record::Json& line, const Prediction& prediction, const ModelSpec& spec) {
  if (prediction.probabilities.empty()) {
    line["score"] = shown_score(prediction.score, spec);
    return;
  }
  Record::Json scores = Record::Json::object();
  for (size_t k = 0; k < spec.labels.size(); ++k)
    scores[spec.labels[k]] = as_float(prediction.probabilities[k]);
  line["label"] = prediction.label;
  line["scores"] = std::move(scores);
}

void add_truncated(Record::Json& line, std::span<const int32_t> truncated) {
  if (!truncated.empty()) line["truncated"] = std::vector(truncated.begin(), truncated.end());
}

}  // namespace lait
