// 95 % intervals of metrics, and of the difference between two models on the same examples.
//
//   accuracy           Wilson's score interval
//   other metrics      percentile bootstrap over examples
//   any metric, if examples share a passage, or else a query (Outcome): percentile bootstrap over
//                      passages or queries, each with all its examples
//   accuracy, paired   normal approximation from the discordant pairs (one model right, the other
//                      wrong), with half a pair added to each of the four cells (Agresti and Min
//                      2005), so that the interval of equal models has a width
//   others, paired     percentile bootstrap, both models on the same resampled examples (passages,
//                      queries)
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

// Of the mean over several runs on the same examples: the bootstrap over examples, and beside it
// Student's t over the runs, whose few values a bootstrap would not cover; the two half-widths are
// added as independent errors. REQUIRES: at least one run, each with the same examples in the same
// order.
Interval mean_interval(const Metric& metric, std::span<const std::span<const Outcome>> runs);
// The mean of `runs` minus that of `reference`, on the same examples. REQUIRES: as mean_interval.
Interval mean_difference(const Metric& metric, std::span<const std::span<const Outcome>> runs,
                         std::span<const std::span<const Outcome>> reference);

}  // namespace lait
