// Metrics: from what was predicted and what is true to one number, found by name (Task::metrics() gives names).
//
//   accuracy   share of examples whose predicted class is the label
//   f1         F1 of class 1 against all others
//   macro_f1   mean F1 of the classes that occur as label or prediction (scikit-learn's macro average)
//   mse        mean squared error, lower is better
//   pearson    linear correlation; 0 where labels or predictions are constant
//   spearman   Pearson's of the ranks, ties at their mean rank
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lait/model/head.h"

namespace lait {

// Of one example: class indices of a classification, scores of a regression.
struct Outcome {
  double predicted = 0;
  double label = 0;
  // Numbers of the query and the passage that the example belongs to; -1: none.
  int32_t query = -1, passage = -1;
};

struct Metric {
  std::string name;
  bool higher_is_better = true;
  // A share of examples in [0, 1], shown in per cent.
  bool is_share = false;
  // Of at least one outcome.
  double (*value)(std::span<const Outcome>) = nullptr;
};

const std::vector<Metric>& all_metrics();
// Throws UserError naming the known metrics.
const Metric& find_metric(const std::string& name);
// Whether `value` of the metric beats `other`; NaN beats nothing and is beaten by every number.
bool better(const std::string& metric, double value, double other);

// What the head predicts beside the data set's labels. Throws UserError "what: …" (`what` names the data set): outputs
// that are no finite numbers (which predict nothing); the first example without a label that the head knows.
std::vector<Outcome> make_outcomes(const HeadImpl& head, const Outputs& outputs,
                                   const Dataset& dataset, const std::string& what);
// The named metrics; errors as make_outcomes'.
std::map<std::string, double> compute_metrics(const std::vector<std::string>& names,
                                              std::span<const Outcome> outcomes);

}  // namespace lait
