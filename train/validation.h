// The validation data's metrics, at every P that a model is trained for.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eval/metrics.h"
#include "lait/predict/predictor.h"

namespace lait {

struct ValidationScores {
  double loss = 0;
  std::map<std::string, double> metrics = {};
};

struct Validation {
  // The mean over the P.
  ValidationScores mean = {};
  // By P; empty for a model of one P.
  std::map<int64_t, ValidationScores> by_independent_layers = {};
  // At the model's P.
  std::vector<Outcome> outcomes = {};
  // False: the outputs are not, and nothing else is known.
  bool is_finite = true;
};

// nullopt if options.should_stop returned true. Of a model that finds spans, sets the threshold by
// which a question has no answer, at the model's P; the others use it, too.
std::optional<Validation> validate(Model& model, const Dataset& dataset,
                                   const std::vector<std::string>& metrics,
                                   const PredictOptions& options);

}  // namespace lait
