#include "eval/intervals.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "kernels/philox.h"

namespace lait {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5 % quantile of the normal distribution
constexpr uint64_t kBootstrapSeed = 0x1a17;

// resample[index] is the index-th of `size` examples drawn with replacement.
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

// Percentile interval of resampled_value(indices) over all resamples.
template <class Value>
Interval bootstrap(double value, size_t size, Value&& resampled_value) {
  std::vector<double> values;
  std::vector<size_t> indices(size);
  for (int r = 0; r < kResamples; ++r) {
    Resample resample(static_cast<uint32_t>(r), size);
    for (size_t i = 0; i < size; ++i) indices[i] = resample[i];
    const double v = resampled_value(indices);
    if (std::isfinite(v)) values.push_back(v);
  }
  if (values.empty()) return {value, value, value};
  std::ranges::sort(values);
  return {value, quantile(values, 0.025), quantile(values, 0.975)};
}

void take(std::span<const Outcome> from, const std::vector<size_t>& indices,
          std::vector<Outcome>& to) {
  to.resize(indices.size());
  for (size_t i = 0; i < indices.size(); ++i) to[i] = from[indices[i]];
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

Interval metric_interval(const Metric& metric, std::span<const Outcome> outcomes) {
  const double value = metric.value(outcomes);
  const auto size = static_cast<int64_t>(outcomes.size());
  if (metric.name == "accuracy")
    return wilson(std::llround(value * static_cast<double>(size)), size);
  std::vector<Outcome> resampled;
  return bootstrap(value, outcomes.size(), [&](const std::vector<size_t>& indices) {
    take(outcomes, indices, resampled);
    return metric.value(resampled);
  });
}

Interval paired_difference(const Metric& metric, std::span<const Outcome> outcomes,
                           std::span<const Outcome> reference) {
  if (outcomes.size() != reference.size())
    throw std::invalid_argument("paired_difference: the examples differ");
  if (metric.name == "accuracy") return paired_accuracy(outcomes, reference);
  std::vector<Outcome> ours, theirs;
  return bootstrap(metric.value(outcomes) - metric.value(reference), outcomes.size(),
                   [&](const std::vector<size_t>& indices) {
                     take(outcomes, indices, ours);
                     take(reference, indices, theirs);
                     return metric.value(ours) - metric.value(theirs);
                   });
}

}  // namespace lait
