// 95 % intervals of metrics, and of the difference between two models on the same examples.
//
//   accuracy           Wilson's score interval
//   other metrics      percentile bootstrap over examples
//   accuracy, paired   normal approximation from the discordant pairs (one model right, the other
//                      wrong), with half a pair added to each of the four cells (Agresti and Min
//                      2005), so that the interval of equal models has a width
//   others, paired     percentile bootstrap, both models on the same resampled examples
// The bootstrap draws kResamples resamples from a fixed seed: the same outcomes give the same
// interval everywhere.
#pragma once
#include <span>
#include <string>

#include "eval/metrics.h"

namespace lait {

inline constexpr int kResamples = 1000;

struct Interval {
  double value = 0;
  double low = 0, high = 0;  // 95 % interval
};

Interval wilson(int64_t successes, int64_t trials);
// REQUIRES: at least one outcome.
Interval metric_interval(const Metric& metric, std::span<const Outcome> outcomes);
// The metric of `outcomes` minus that of `reference`. REQUIRES: the same examples in the same
// order.
Interval paired_difference(const Metric& metric, std::span<const Outcome> outcomes,
                           std::span<const Outcome> reference);

}  // namespace lait
