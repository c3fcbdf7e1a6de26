#include "train/validation.h"

#include <algorithm>

#include "eval/answer_metrics.h"

namespace lait {

std::optional<Validation> validate(Model& model, const Dataset& dataset,
                                   const std::vector<std::string>& metrics,
                                   const PredictOptions& options) {
  std::vector<Schedule> schedules = model->spec.schedules();
  // The model's own first, for the threshold.
  std::ranges::partition(schedules, [&](const Schedule& s) { return s == model->spec.schedule; });
  Validation out;
  for (const Schedule& schedule : schedules) {
    const std::optional<Outputs> outputs = run_model(model, dataset, schedule, options);
    if (!outputs) return std::nullopt;
    out.is_finite = outputs->values.isfinite().all().item<bool>();
    if (!out.is_finite) return out;
    const bool is_own = out.outcomes.empty();
    if (is_own) choose_threshold(model, *outputs, dataset);
    std::vector<Outcome> outcomes = make_outcomes(model, *outputs, dataset, "validation");
    const ValidationScores scores{mean_loss(*model->head, *outputs, dataset),
                                  compute_metrics(metrics, outcomes)};
    const auto share = static_cast<double>(schedules.size());
    out.mean.loss += scores.loss / share;
    for (const auto& [name, value] : scores.metrics) out.mean.metrics[name] += value / share;
    if (schedules.size() > 1) out.by_independent_layers[independent_layers(schedule)] = scores;
    if (is_own) out.outcomes = std::move(outcomes);
  }
  return out;
}

}  // namespace lait
