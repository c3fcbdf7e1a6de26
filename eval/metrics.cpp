#include "eval/metrics.h"

#include <algorithm>
#include <cmath>

#include "eval/answer_metrics.h"
#include "lait/base/error.h"
#include "lait/data/dataset.h"
#include "lait/model/device_batch.h"

namespace lait {
namespace {

double accuracy(std::span<const Outcome> outcomes) {
  const auto right =
      std::ranges::count_if(outcomes, [](const Outcome& o) { return o.predicted == o.label; });
  return static_cast<double>(right) / static_cast<double>(outcomes.size());
}

// Counts of one class: how often it was predicted, was the label, and both.
struct ClassCounts {
  int64_t predicted = 0, labelled = 0, both = 0;
  double f1() const {
    return predicted + labelled == 0
               ? 0
               : 2.0 * static_cast<double>(both) / static_cast<double>(predicted + labelled);
  }
};

// By class, up to the last one that occurs. The bootstrap counts each resample, so this is not a
// map.
std::vector<ClassCounts> count_classes(std::span<const Outcome> outcomes) {
  std::vector<ClassCounts> counts(2);
  for (const Outcome& o : outcomes) {
    const auto predicted = static_cast<size_t>(o.predicted), label = static_cast<size_t>(o.label);
    if (std::max(predicted, label) >= counts.size()) counts.resize(std::max(predicted, label) + 1);
    ++counts[predicted].predicted;
    ++counts[label].labelled;
    counts[label].both += predicted == label;
  }
  return counts;
}

double f1(std::span<const Outcome> outcomes) { return count_classes(outcomes)[1].f1(); }

double macro_f1(std::span<const Outcome> outcomes) {
  double sum = 0;
  int64_t classes = 0;
  for (const ClassCounts& count : count_classes(outcomes)) {
    if (count.predicted + count.labelled == 0) continue;
    sum += count.f1();
    ++classes;
  }
  return sum / static_cast<double>(classes);
}

// Of https://github.com/FakeNewsChallenge/fnc-1: the last class is "unrelated".
double fnc1_score(std::span<const Outcome> outcomes) {
  constexpr double kUnrelated = 3;
  double score = 0, most = 0;
  for (const Outcome& o : outcomes) {
    const bool related = o.label < kUnrelated;
    most += related ? 1 : 0.25;
    if (o.predicted == o.label) score += related ? 0.75 : 0.25;
    if (related && o.predicted < kUnrelated) score += 0.25;
  }
  return score / most;
}

double mse(std::span<const Outcome> outcomes) {
  double sum = 0;
  for (const Outcome& o : outcomes) sum += (o.predicted - o.label) * (o.predicted - o.label);
  return sum / static_cast<double>(outcomes.size());
}

bool is_constant(std::span<const Outcome> outcomes, double Outcome::*member) {
  return std::ranges::all_of(
      outcomes, [&](const Outcome& o) { return o.*member == outcomes.front().*member; });
}

double pearson(std::span<const Outcome> outcomes) {
  // The mean of equal values can be off by a rounding error, and then no deviation is 0.
  if (is_constant(outcomes, &Outcome::predicted) || is_constant(outcomes, &Outcome::label))
    return 0;
  const auto n = static_cast<double>(outcomes.size());
  double mean_x = 0, mean_y = 0;
  for (const Outcome& o : outcomes) {
    mean_x += o.predicted / n;
    mean_y += o.label / n;
  }
  double xx = 0, yy = 0, xy = 0;
  for (const Outcome& o : outcomes) {
    const double x = o.predicted - mean_x, y = o.label - mean_y;
    xx += x * x;
    yy += y * y;
    xy += x * y;
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

// Replaces the member by its rank, starting at 1. Ties get the mean of their ranks.
void rank(std::vector<Outcome>& outcomes, double Outcome::*member) {
  std::ranges::sort(outcomes, {}, member);
  for (size_t begin = 0; begin < outcomes.size();) {
    size_t end = begin;
    const double value = outcomes[begin].*member;
    while (end < outcomes.size() && outcomes[end].*member == value) ++end;
    const double mean = static_cast<double>(begin + 1 + end) / 2;
    for (; begin < end; ++begin) outcomes[begin].*member = mean;
  }
}

double spearman(std::span<const Outcome> outcomes) {
  std::vector<Outcome> ranked(outcomes.begin(), outcomes.end());
  // NaN has no rank (and would break the order of the sort).
  for (const Outcome& o : ranked) {
    if (std::isnan(o.predicted) || std::isnan(o.label)) return std::nan("");
  }
  rank(ranked, &Outcome::predicted);
  rank(ranked, &Outcome::label);
  return pearson(ranked);
}

double mean_of(std::span<const Outcome> outcomes, double Outcome::*member) {
  double sum = 0;
  for (const Outcome& o : outcomes) sum += o.*member;
  return sum / static_cast<double>(outcomes.size());
}

double answer_f1(std::span<const Outcome> outcomes) { return mean_of(outcomes, &Outcome::f1); }

double answer_exact(std::span<const Outcome> outcomes) {
  return mean_of(outcomes, &Outcome::exact);
}

}  // namespace

const std::vector<Metric>& all_metrics() {
  static const std::vector<Metric> metrics = [] {
    std::vector<Metric> all{
        {.name = "accuracy", .is_share = true, .value = accuracy},
        {.name = "f1", .is_share = true, .value = f1},
        {.name = "macro_f1", .is_share = true, .value = macro_f1},
        {.name = "fnc1_score", .is_share = true, .value = fnc1_score},
        {.name = "mse", .higher_is_better = false, .value = mse},
        {.name = "pearson", .value = pearson},
        {.name = "spearman", .value = spearman},
        {.name = "answer_f1", .is_share = true, .value = answer_f1},
        {.name = "answer_exact", .is_share = true, .value = answer_exact},
    };
    all.insert(all.end(), query_metrics().begin(), query_metrics().end());
    return all;
  }();
  return metrics;
}

const Metric& find_metric(const std::string& name) {
  std::string known;
  for (const Metric& metric : all_metrics()) {
    if (metric.name == name) return metric;
    known += (known.empty() ? "" : ", ") + metric.name;
  }
  throw UserError("expected a metric among " + known + ", got '" + name + "'");
}

std::vector<std::string> metrics_of(const Task& task, LabelKind labels) {
  std::vector<std::string> names = task.metrics(labels);
  if (labels == LabelKind::kClass && std::ranges::find(names, "macro_f1") == names.end())
    names.emplace_back("macro_f1");
  return names;
}

bool better(const std::string& metric, double value, double other) {
  if (std::isnan(value)) return false;
  if (std::isnan(other)) return true;
  return find_metric(metric).higher_is_better ? value > other : value < other;
}

namespace {

// All comparisons with NaN are false, so class 0 would be the largest of such a row.
void check_finite(const Outputs& outputs, const std::string& what) {
  const at::Tensor values = outputs.values.to(at::kCPU, at::kFloat).contiguous();
  const int64_t width = values.dim() > 1 ? values.size(1) : 1, examples = outputs.num_examples();
  const float* data = values.const_data_ptr<float>();
  int64_t bad = 0;
  for (int64_t i = 0; i < examples; ++i) {
    const int64_t rows = outputs.offsets.empty() ? 1 : outputs.offsets[i + 1] - outputs.offsets[i];
    const float* end = data + rows * width;
    bad += !std::all_of(data, end, [](float value) { return std::isfinite(value); });
    data = end;
  }
  if (bad == 0) return;
  throw UserError(what + ": expected finite logits, got NaN or infinity for " +
                  std::to_string(bad) + " of " + std::to_string(examples) +
                  " examples: the training diverged or the model's weights are damaged; take "
                  "another checkpoint, or train with a lower learning rate");
}

}  // namespace

std::vector<Outcome> make_outcomes(const HeadImpl& head, const Outputs& outputs,
                                   const Dataset& dataset, const std::string& what) {
  check_finite(outputs, what);
  const std::vector<Prediction> predictions = head.predict(outputs);
  std::vector<Outcome> outcomes(predictions.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const TokenizedExample example = dataset.example(static_cast<int64_t>(i));
    try {
      outcomes[i] = {predictions[i].value, head.label_value(example.label), example.query,
                     example.passage};
    } catch (const UserError& error) {
      throw UserError(what + ": example " + std::to_string(i + 1) + ": " + error.what() +
                      "; evaluate labelled data, or predict with lait-predict");
    }
  }
  return outcomes;
}

std::vector<Outcome> make_outcomes(const Model& model, const Outputs& outputs,
                                   const Dataset& dataset, const std::string& what) {
  if (!dataset.has_windows()) return make_outcomes(*model->head, outputs, dataset, what);
  check_finite(outputs, what);
  return answer_outcomes(find_answers(model->head->predict(outputs), dataset), dataset,
                         model->spec.no_answer_threshold, what);
}

double mean_loss(const HeadImpl& head, const Outputs& outputs, const Dataset& dataset) {
  std::vector<Label> labels;
  for (int64_t i = 0; i < dataset.size(); ++i) labels.push_back(dataset.example(i).label);
  DeviceBatch batch;
  batch.packed.num_examples = dataset.size();
  batch.labels = head.labels(labels).to(outputs.values.device());
  TrainingConfig config;
  config.label_smoothing = 0;
  return head.loss(outputs, batch, config).item<double>();
}

std::map<std::string, double> compute_metrics(const std::vector<std::string>& names,
                                              std::span<const Outcome> outcomes) {
  std::map<std::string, double> values;
  for (const std::string& name : names) values[name] = find_metric(name).value(outcomes);
  return values;
}

}  // namespace lait
