// Metrics that compare the examples of a query (a question's answers, a query's passages) with each
// other, and then take the mean over queries; metrics.h describes them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/metrics.h"

namespace lait {
namespace {

// Calls body(outcomes) for each query.
template <class Body>
void for_each_query(std::span<const Outcome> outcomes, Body&& body) {
  std::vector<Outcome> sorted(outcomes.begin(), outcomes.end());
  std::ranges::stable_sort(sorted, {}, &Outcome::query);
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin;
    while (end < sorted.size() && sorted[end].query == sorted[begin].query) ++end;
    body(std::span(sorted).subspan(begin, end - begin));
    begin = end;
  }
}

// As MultiRC's own script: a precision or recall without a denominator is 1.
double f1m(std::span<const Outcome> outcomes) {
  double precisions = 0, recalls = 0, questions = 0;
  for_each_query(outcomes, [&](std::span<const Outcome> question) {
    double predicted = 0, right = 0, both = 0;
    for (const Outcome& o : question) {
      predicted += o.predicted == 1;
      right += o.label == 1;
      both += o.predicted == 1 && o.label == 1;
    }
    precisions += predicted > 0 ? both / predicted : 1;
    recalls += right > 0 ? both / right : 1;
    ++questions;
  });
  const double sum = precisions + recalls;
  // Of the means, which are these sums over the number of questions.
  return sum > 0 ? 2 * precisions * recalls / sum / questions : 0;
}

double exact_match(std::span<const Outcome> outcomes) {
  double all_right = 0, questions = 0;
  for_each_query(outcomes, [&](std::span<const Outcome> question) {
    ++questions;
    all_right +=
        std::ranges::all_of(question, [](const Outcome& o) { return o.predicted == o.label; });
  });
  return all_right / questions;
}

// The mean of value(labels in the order of the ranking) over the queries with a relevant passage; 0
// if there is none.
template <class Value>
double mean_over_rankings(std::span<const Outcome> outcomes, Value&& value) {
  double sum = 0, queries = 0;
  bool is_nan = false;
  for_each_query(outcomes, [&](std::span<Outcome> query) {
    // NaN would break the order of the sort.
    is_nan = is_nan ||
             std::ranges::any_of(query, [](const Outcome& o) { return std::isnan(o.predicted); });
    if (is_nan || std::ranges::none_of(query, [](const Outcome& o) { return o.label > 0; })) return;
    std::ranges::sort(query, [](const Outcome& a, const Outcome& b) {
      return a.predicted != b.predicted ? a.predicted > b.predicted : a.label < b.label;
    });
    sum += value(std::span<const Outcome>(query));
    ++queries;
  });
  if (is_nan) return std::numeric_limits<double>::quiet_NaN();
  return queries > 0 ? sum / queries : 0;
}

double mean_average_precision(std::span<const Outcome> outcomes) {
  return mean_over_rankings(outcomes, [](std::span<const Outcome> ranking) {
    double relevant = 0, sum = 0;
    for (size_t i = 0; i < ranking.size(); ++i) {
      if (ranking[i].label <= 0) continue;
      ++relevant;
      sum += relevant / static_cast<double>(i + 1);
    }
    return sum / relevant;
  });
}

double mean_reciprocal_rank(std::span<const Outcome> outcomes) {
  return mean_over_rankings(outcomes, [](std::span<const Outcome> ranking) {
    const auto first = std::ranges::find_if(ranking, [](const Outcome& o) { return o.label > 0; });
    return 1 / static_cast<double>(first - ranking.begin() + 1);
  });
}

double gain_at_10(std::span<const Outcome> ranking) {
  double sum = 0;
  for (size_t i = 0; i < std::min<size_t>(10, ranking.size()); ++i)
    sum += (std::exp2(ranking[i].label) - 1) / std::log2(static_cast<double>(i + 2));
  return sum;
}

double ndcg10(std::span<const Outcome> outcomes) {
  return mean_over_rankings(outcomes, [](std::span<const Outcome> ranking) {
    std::vector<Outcome> best(ranking.begin(), ranking.end());
    std::ranges::sort(best, std::ranges::greater(), &Outcome::label);
    return gain_at_10(ranking) / gain_at_10(best);
  });
}

}  // namespace

const std::vector<Metric>& query_metrics() {
  static const std::vector<Metric> metrics{
      {.name = "f1m", .is_share = true, .value = f1m},
      {.name = "exact_match", .is_share = true, .value = exact_match},
      {.name = "map", .is_share = true, .value = mean_average_precision},
      {.name = "mrr", .is_share = true, .value = mean_reciprocal_rank},
      {.name = "ndcg10", .is_share = true, .value = ndcg10},
  };
  return metrics;
}

}  // namespace lait
