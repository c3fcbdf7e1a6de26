// Metrics: numbers computed from predictions and labels. Found by name.
//
//   accuracy     share of examples whose predicted class is the label
//   f1           F1 of class 1 against all other classes (MultiRC's F1a)
//   macro_f1     mean F1 of the classes that occur as label or prediction (as in scikit-learn)
//   fnc1_score   the Fake News Challenge's: a quarter for related or unrelated (the last class),
//                the rest for the right class of a related pair; of the most that can be reached
//   mse          mean squared error, lower is better
//   pearson      linear correlation; 0 if labels or predictions are constant
//   spearman     Pearson's correlation of the ranks; ties have their mean rank
//   answer_f1    mean over questions of the words that the answer shares with a correct one, as F1
//   answer_exact share of questions whose answer is a correct one (answer_metrics.h)
// and those of the examples of a query together (query_metrics.cpp):
//   f1m          MultiRC's: F1 of the means of precision and recall over questions
//   exact_match  share of questions of which every answer's class is predicted
//   map, mrr     mean over queries of average precision, of the first relevant passage's 1 / rank
//   ndcg10       mean over queries of NDCG at rank 10, with gains of 2^label - 1
// Queries without a relevant passage do not count, as in trec_eval; passages of equal scores rank
// in the worst order. Examples without a query are one query.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lait/data/task.h"
#include "lait/model/model.h"

namespace lait {

// The outcome of one example: class indices for classification, scores for regression; of a
// question, how well its answer agrees with the correct ones.
struct Outcome {
  double predicted = 0;
  double label = 0;
  // Numbers of the query and the passage of the example. -1: none.
  int32_t query = -1, passage = -1;
  double exact = 0, f1 = 0;
};

struct Metric {
  std::string name;
  bool higher_is_better = true;
  // A share in [0, 1], shown in percent.
  bool is_share = false;
  // REQUIRES: at least one outcome.
  double (*value)(std::span<const Outcome>) = nullptr;
};

const std::vector<Metric>& all_metrics();
// Those of the examples of a query together.
const std::vector<Metric>& query_metrics();
// Throws UserError that names the known metrics.
const Metric& find_metric(const std::string& name);
// The metrics of a head with such labels on the task's data: Task::metrics, and macro_f1 for
// classes, whatever the task. The first selects the best checkpoint.
std::vector<std::string> metrics_of(const Task& task, LabelKind labels);
// Whether `value` of the metric is better than `other`. NaN is worse than every number.
bool better(const std::string& metric, double value, double other);

// The head's predictions and the data set's labels. Throws UserError "what: …" (`what` names the
// data set) if outputs are not finite, or for the first example whose label the head does not know.
std::vector<Outcome> make_outcomes(const HeadImpl& head, const Outputs& outputs,
                                   const Dataset& dataset, const std::string& what);
// The same of a model: of an extractive one's questions, with the threshold of its spec.
std::vector<Outcome> make_outcomes(const Model& model, const Outputs& outputs,
                                   const Dataset& dataset, const std::string& what);
// The mean over the examples of the head's loss, without label smoothing.
double mean_loss(const HeadImpl& head, const Outputs& outputs, const Dataset& dataset);
// Values of the named metrics. Throws UserError for an unknown name.
std::map<std::string, double> compute_metrics(const std::vector<std::string>& names,
                                              std::span<const Outcome> outcomes);

}  // namespace lait
