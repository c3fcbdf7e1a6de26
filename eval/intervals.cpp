#include "eval/intervals.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "kernels/philox.h"

namespace lait {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5 % quantile of the normal distribution
constexpr uint64_t kBootstrapSeed = 0x1a17;

// resample[index] is the index-th of `size` clusters drawn with replacement.
class Resample {
 public:
  Resample(uint32_t number, size_t size) : number_(number), size_(size) {}
  size_t operator[](size_t index) {
    if (index % 4 == 0) {
      words_ = kernels::philox(number_, static_cast<uint32_t>(index / 4), 0, 0,
                               static_cast<uint32_t>(kBootstrapSeed),
                               static_cast<uint32_t>(kBootstrapSeed >> 32));
    }
    return (uint64_t{words_.word[index % 4]} * size_) >> 32;
  }

 private:
  uint32_t number_;
  size_t size_;
  kernels::PhiloxWords words_{};
};

double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// What is drawn together: the examples of a passage, or of a query, or single ones.
class Clusters {
 public:
  explicit Clusters(std::span<const Outcome> outcomes) {
    const bool by_passage =
        std::ranges::any_of(outcomes, [](const Outcome& o) { return o.passage >= 0; });
    std::map<std::pair<int32_t, size_t>, std::vector<size_t>> found;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const int32_t of = by_passage ? outcomes[i].passage : outcomes[i].query;
      found[{of, of >= 0 ? 0 : i}].push_back(i);
    }
    for (auto& [key, members] : found) clusters_.push_back(std::move(members));
  }
  size_t size() const { return clusters_.size(); }
  bool are_single(size_t num_examples) const { return size() == num_examples; }

  // The outcomes of the clusters `drawn`. One that is drawn twice gives two of each of its queries.
  void take(std::span<const Outcome> from, const std::vector<size_t>& drawn,
            std::vector<Outcome>& to) const {
    to.clear();
    int32_t num_queries = 0;
    for (const size_t cluster : drawn) {
      // The examples of a query follow each other in most files; a map finds the others.
      std::map<int32_t, int32_t> renumbered;
      for (const size_t i : clusters_[cluster]) {
        Outcome outcome = from[i];
        if (outcome.query >= 0) {
          const auto [query, is_new] = renumbered.try_emplace(outcome.query, num_queries);
          num_queries += is_new;
          outcome.query = query->second;
        }
        to.push_back(outcome);
      }
    }
  }

 private:
  std::vector<std::vector<size_t>> clusters_;
};

// Percentile interval of resampled_value(drawn clusters) over all resamples.
template <class Value>
Interval bootstrap(double value, size_t size, Value&& resampled_value) {
  std::vector<double> values;
  std::vector<size_t> drawn(size);
  for (int r = 0; r < kResamples; ++r) {
    Resample resample(static_cast<uint32_t>(r), size);
    for (size_t i = 0; i < size; ++i) drawn[i] = resample[i];
    const double v = resampled_value(drawn);
    if (std::isfinite(v)) values.push_back(v);
  }
  if (values.empty()) return {value, value, value};
  std::ranges::sort(values);
  return {value, quantile(values, 0.025), quantile(values, 0.975)};
}

Interval paired_accuracy(std::span<const Outcome> a, std::span<const Outcome> b) {
  double only_a = 0, only_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const bool a_right = a[i].predicted == a[i].label, b_right = b[i].predicted == b[i].label;
    only_a += a_right && !b_right;
    only_b += b_right && !a_right;
  }
  const auto n = static_cast<double>(a.size());
  const double adjusted = n + 2, sum = only_a + only_b + 1, difference = only_a - only_b;
  const double centre = difference / adjusted;
  const double half = kZ * std::sqrt(sum - difference * difference / adjusted) / adjusted;
  return {difference / n, std::max(-1.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace

Interval wilson(int64_t successes, int64_t trials) {
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n, z2 = kZ * kZ;
  const double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  return {p, std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

namespace {

using Runs = std::span<const std::span<const Outcome>>;

double mean_value(const Metric& metric, Runs runs) {
  double sum = 0;
  for (const auto& outcomes : runs) sum += metric.value(outcomes);
  return sum / static_cast<double>(runs.size());
}

double resampled_mean(const Metric& metric, Runs runs, const Clusters& clusters,
                      const std::vector<size_t>& drawn) {
  std::vector<Outcome> resampled;
  double sum = 0;
  for (const auto& outcomes : runs) {
    clusters.take(outcomes, drawn, resampled);
    sum += metric.value(resampled);
  }
  return sum / static_cast<double>(runs.size());
}

// The squared standard error of the mean over runs, from the spread of the runs' values. REQUIRES:
// two or more.
double squared_error(const Metric& metric, Runs runs) {
  const auto n = static_cast<double>(runs.size());
  std::vector<double> values;
  for (const auto& outcomes : runs) values.push_back(metric.value(outcomes));
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / (n - 1) / n;
}

// The 97.5 % quantile of Student's t distribution; Cornish and Fisher's expansion from 5 degrees of
// freedom on (within 0.1 %).
double student_quantile(size_t degrees) {
  constexpr double kFirst[] = {12.7062, 4.3027, 3.1824, 2.7764};
  if (degrees <= std::size(kFirst)) return kFirst[degrees - 1];
  const auto n = static_cast<double>(degrees);
  const double z2 = kZ * kZ;
  return kZ * (1 + (z2 + 1) / (4 * n) + ((5 * z2 + 16) * z2 + 3) / (96 * n * n) +
               (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * n * n * n));
}

// The interval over examples and a half-width over runs, as independent errors; of a share not
// beyond `lowest` and 1.
Interval widened(const Metric& metric, const Interval& e, double half, double lowest) {
  const double low = e.value - std::hypot(e.value - e.low, half),
               high = e.value + std::hypot(e.high - e.value, half);
  return metric.is_share ? Interval{e.value, std::max(lowest, low), std::min(1.0, high)}
                         : Interval{e.value, low, high};
}

}  // namespace

Interval mean_interval(const Metric& metric, Runs runs) {
  const Clusters clusters(runs.front());
  const Interval over_examples =
      bootstrap(mean_value(metric, runs), clusters.size(), [&](const std::vector<size_t>& drawn) {
        return resampled_mean(metric, runs, clusters, drawn);
      });
  if (runs.size() < 2) return over_examples;
  return widened(metric, over_examples,
                 student_quantile(runs.size() - 1) * std::sqrt(squared_error(metric, runs)),
                 /*lowest=*/0);
}

Interval mean_difference(const Metric& metric, Runs runs, Runs reference) {
  const Clusters clusters(runs.front());
  const Interval over_examples =
      bootstrap(mean_value(metric, runs) - mean_value(metric, reference), clusters.size(),
                [&](const std::vector<size_t>& drawn) {
                  return resampled_mean(metric, runs, clusters, drawn) -
                         resampled_mean(metric, reference, clusters, drawn);
                });
  const size_t fewest = std::min(runs.size(), reference.size());
  if (fewest < 2) return over_examples;
  return widened(metric, over_examples,
                 student_quantile(fewest - 1) *
                     std::sqrt(squared_error(metric, runs) + squared_error(metric, reference)),
                 /*lowest=*/-1);
}

Interval metric_interval(const Metric& metric, std::span<const Outcome> outcomes) {
  if (metric.name == "accuracy" && Clusters(outcomes).are_single(outcomes.size())) {
    const auto size = static_cast<int64_t>(outcomes.size());
    return wilson(std::llround(metric.value(outcomes) * static_cast<double>(size)), size);
  }
  return mean_interval(metric, std::span(&outcomes, 1));
}

Interval paired_difference(const Metric& metric, std::span<const Outcome> outcomes,
                           std::span<const Outcome> reference) {
  if (outcomes.size() != reference.size())
    throw std::invalid_argument("paired_difference: the examples differ");
  if (metric.name == "accuracy" && Clusters(outcomes).are_single(outcomes.size()))
    return paired_accuracy(outcomes, reference);
  return mean_difference(metric, std::span(&outcomes, 1), std::span(&reference, 1));
}

}  // namespace lait
