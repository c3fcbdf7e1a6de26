// Means over runs that differ in their seed.
#include "eval/seeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace lait {
namespace {

constexpr int kExamples = 100;

// A run whose predictions are right with probability `accuracy`.
Evaluation run_of(const std::string& name, int64_t p, uint64_t seed, double accuracy,
                  std::mt19937& random) {
  Evaluation row;
  row.names = {name, "sick", "test"};
  row.names.seed = seed;
  row.names.config = "P = " + std::to_string(p);
  row.schedule = {{6, Scope::kExample}};
  row.independent_layers = p;
  row.examples_per_s = 10.0 * static_cast<double>(seed);
  std::bernoulli_distribution right(accuracy);
  for (int i = 0; i < kExamples; ++i) row.outcomes.push_back({right(random) ? 1. : 0., 1.});
  row.examples = kExamples;
  for (const char* metric : {"accuracy", "macro_f1"})
    row.metrics.push_back({metric, metric_interval(find_metric(metric), row.outcomes)});
  return row;
}

TEST(SeedMeans, AreRowsWithTheirSeedsAndDifferences) {
  std::mt19937 random(5);
  std::vector<Evaluation> rows;
  for (const int64_t p : {0, 3}) {
    for (const uint64_t seed : {1, 2, 3}) {
      rows.push_back(run_of("runs/model.independent_layers=" + std::to_string(p) +
                                ",seed=" + std::to_string(seed) + "/best",
                            p, seed, p == 0 ? 0.9 : 0.7, random));
    }
  }
  rows.push_back(run_of("runs/alone", 5, 1, 0.5, random));
  add_seed_means(rows);
  ASSERT_EQ(rows.size(), 9u);
  const Evaluation &stock = rows[7], &split = rows[8];
  EXPECT_EQ(stock.names.checkpoint, "independent_layers=0, mean of seeds 1 2 3");
  EXPECT_THAT(stock.seeds, testing::ElementsAre(1, 2, 3));
  EXPECT_DOUBLE_EQ(stock.examples_per_s, 20);
  double mean = 0;
  for (int i = 0; i < 3; ++i) mean += rows[static_cast<size_t>(i)].metrics[0].interval.value / 3;
  EXPECT_DOUBLE_EQ(stock.metrics[0].interval.value, mean);
  EXPECT_LT(stock.metrics[0].interval.low, mean);
  EXPECT_GT(stock.metrics[0].interval.high, mean);
  EXPECT_FALSE(stock.difference_to_p0);
  ASSERT_TRUE(split.difference_to_p0);
  EXPECT_EQ(split.difference_to_p0->reference, stock.names.checkpoint);
  const Interval difference = split.difference_to_p0->metrics[0].interval;
  EXPECT_NEAR(difference.value, split.metrics[0].interval.value - stock.metrics[0].interval.value,
              1e-12);
  EXPECT_LT(difference.high, 0);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(rows[static_cast<size_t>(i)].is_in_mean);
  EXPECT_FALSE(rows[6].is_in_mean);
}

TEST(SeedMeans, IntervalsOfSharesEndAtNoneAndAll) {
  const std::vector<Outcome> right(50, Outcome{1, 1}), wrong(50, Outcome{0, 1});
  const std::vector<std::span<const Outcome>> far{right, wrong}, same{right, right};
  const Interval mean = mean_interval(find_metric("accuracy"), far),
                 difference = mean_difference(find_metric("accuracy"), far, same);
  EXPECT_EQ(mean.value, 0.5);
  EXPECT_EQ(mean.low, 0);
  EXPECT_EQ(mean.high, 1);
  EXPECT_EQ(difference.low, -1);
  EXPECT_EQ(difference.high, 1);
}

TEST(SeedMeans, NeedTheSameConfigAndDifferentSeeds) {
  std::mt19937 random(6);
  std::vector<Evaluation> rows{run_of("a", 0, 1, 0.8, random), run_of("b", 0, 1, 0.8, random),
                               run_of("c", 3, 2, 0.8, random)};
  rows.push_back(run_of("d", 0, 2, 0.8, random));
  rows.back().names.seed.reset();
  add_seed_means(rows);
  EXPECT_EQ(rows.size(), 4u);
}

// Accuracies that differ from seed to seed by far more than by examples: an interval over examples
// of each run would miss the mean over all seeds.
TEST(SeedMeans, IntervalsCoverTheMeanOverSeeds) {
  constexpr int kTrials = 150;
  std::mt19937 random(7);
  std::normal_distribution<double> of_seed(0.7, 0.05);
  const auto draw = [&](size_t seeds) {
    std::vector<std::vector<Outcome>> runs(seeds);
    for (auto& run : runs) {
      std::bernoulli_distribution right(std::min(0.99, of_seed(random)));
      for (int i = 0; i < 2 * kExamples; ++i) run.push_back({right(random) ? 1. : 0., 1.});
    }
    return runs;
  };
  for (const size_t seeds : {2u, 3u, 8u}) {
    int covered = 0, of_difference = 0;
    for (int t = 0; t < kTrials; ++t) {
      const auto ours = draw(seeds), theirs = draw(seeds);
      const std::vector<std::span<const Outcome>> runs(ours.begin(), ours.end()),
          reference(theirs.begin(), theirs.end());
      const Interval mean = mean_interval(find_metric("accuracy"), runs),
                     difference = mean_difference(find_metric("accuracy"), runs, reference);
      covered += mean.low <= 0.7 && 0.7 <= mean.high;
      of_difference += difference.low <= 0 && 0 <= difference.high;
    }
    // Not less than 95 %, within the noise of the trials.
    EXPECT_GE(covered, 0.9 * kTrials) << seeds << " seeds";
    EXPECT_GE(of_difference, 0.9 * kTrials) << seeds << " seeds";
  }
}

}  // namespace
}  // namespace lait
