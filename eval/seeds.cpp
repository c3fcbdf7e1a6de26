#include "eval/seeds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace lait {
namespace {

using Runs = std::vector<std::span<const Outcome>>;

bool same_but_for_the_seed(const Evaluation& a, const Evaluation& b) {
  return a.names.seed && b.names.seed && !a.names.config.empty() &&
         a.names.config == b.names.config && a.schedule == b.schedule && same_data(a, b);
}

// The rows with means, each by the indexes of its runs.
std::vector<std::vector<size_t>> runs_of_means(const std::vector<Evaluation>& rows) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto same = std::ranges::find_if(groups, [&](const auto& group) {
      return same_but_for_the_seed(rows[group.front()], rows[i]);
    });
    if (same == groups.end()) {
      groups.push_back({i});
    } else if (std::ranges::none_of(
                   *same, [&](size_t j) { return rows[j].names.seed == rows[i].names.seed; })) {
      same->push_back(i);
    }
  }
  std::erase_if(groups, [](const auto& group) { return group.size() < 2; });
  return groups;
}

Runs outcomes_of(const std::vector<Evaluation>& rows, const std::vector<size_t>& runs) {
  Runs out;
  for (const size_t i : runs) out.emplace_back(rows[i].outcomes);
  return out;
}

Evaluation mean_row(const std::vector<Evaluation>& rows, const std::vector<size_t>& runs) {
  const Evaluation& first = rows[runs.front()];
  Evaluation mean = first;
  mean.outcomes.clear();
  mean.labels.clear();
  mean.difference_to_p0.reset();
  mean.names.seed.reset();
  mean.examples_per_s = 0;
  for (const size_t i : runs) {
    mean.seeds.push_back(*rows[i].names.seed);
    mean.examples_per_s += rows[i].examples_per_s / static_cast<double>(runs.size());
  }
  std::string name = display_name(first);
  const std::string own = fmt::format("seed={}", *first.names.seed);
  if (name.ends_with(own)) name.resize(name.size() - own.size());
  if (name.ends_with(',')) name.pop_back();
  mean.names.checkpoint = fmt::format("{}{}mean of seeds {}", name, name.empty() ? "" : ", ",
                                      fmt::join(mean.seeds, " "));
  mean.metrics.clear();
  for (const NamedInterval& metric : first.metrics) {
    mean.metrics.push_back(
        {metric.metric, mean_interval(find_metric(metric.metric), outcomes_of(rows, runs))});
  }
  return mean;
}

}  // namespace

void add_seed_means(std::vector<Evaluation>& rows) {
  const auto groups = runs_of_means(rows);
  std::vector<Evaluation> means;
  for (const auto& runs : groups) means.push_back(mean_row(rows, runs));
  for (size_t m = 0; m < means.size(); ++m) {
    Evaluation& mean = means[m];
    std::optional<size_t> reference;
    for (size_t other = 0; other < means.size(); ++other) {
      if (means[other].independent_layers != 0 || mean.metrics.empty() ||
          !same_data(means[other], mean))
        continue;
      const NamedInterval& first = means[other].metrics.front();
      if (!reference || better(first.metric, first.interval.value,
                               means[*reference].metrics.front().interval.value))
        reference = other;
    }
    if (!reference || *reference == m) continue;
    Difference difference{.reference = means[*reference].names.checkpoint, .metrics = {}};
    for (const NamedInterval& metric : mean.metrics) {
      difference.metrics.push_back(
          {metric.metric, mean_difference(find_metric(metric.metric), outcomes_of(rows, groups[m]),
                                          outcomes_of(rows, groups[*reference]))});
    }
    mean.difference_to_p0 = std::move(difference);
  }
  for (const auto& runs : groups) {
    for (const size_t i : runs) rows[i].is_in_mean = true;
  }
  std::ranges::move(means, std::back_inserter(rows));
}

}  // namespace lait
