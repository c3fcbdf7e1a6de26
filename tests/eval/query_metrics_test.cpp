// Metrics over queries against values by hand, and intervals of examples that share a passage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "eval/intervals.h"

namespace lait {
namespace {

double value(const std::string& metric, const std::vector<Outcome>& outcomes) {
  return find_metric(metric).value(outcomes);
}

// Questions 0 and 1, whose answers are mixed.
const std::vector<Outcome> kAnswers{{1, 1, 0}, {0, 0, 1}, {1, 0, 0}, {1, 1, 1}, {0, 1, 0}};

TEST(QueryMetrics, MultiRcsF1AndExactMatch) {
  // Question 0: predicted {0, 1}, right {0, 2}: precision and recall 1/2. Question 1: both 1.
  const double precision = 0.75, recall = 0.75;
  EXPECT_DOUBLE_EQ(value("f1m", kAnswers), 2 * precision * recall / (precision + recall));
  EXPECT_DOUBLE_EQ(value("exact_match", kAnswers), 0.5);
  // Over all answers: predicted 3, right 3, both 2.
  EXPECT_DOUBLE_EQ(value("f1", kAnswers), 2.0 / 3);
  // As MultiRC's script: nothing predicted is a precision of 1; nothing to be found a recall of 1.
  EXPECT_DOUBLE_EQ(value("f1m", {{0, 1, 0}, {0, 1, 0}}), 0);
  EXPECT_DOUBLE_EQ(value("f1m", {{1, 0, 0}, {0, 0, 0}, {1, 1, 1}}), 2 * 0.5 * 1 / 1.5);
}

TEST(QueryMetrics, RankingsAsByHand) {
  // Query 0: ranks of the relevant ones 1 and 3. Query 1: 2. Query 2 has none and does not count.
  const std::vector<Outcome> outcomes{{0.9, 1, 0}, {0.5, 0, 0}, {0.4, 1, 0}, {0.1, 0, 0},
                                      {0.2, 1, 1}, {0.3, 0, 1}, {0.7, 0, 2}};
  EXPECT_DOUBLE_EQ(value("map", outcomes), ((1 + 2.0 / 3) / 2 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(value("mrr", outcomes), (1 + 0.5) / 2);
  const double first = (1 + 1 / std::log2(4)) / (1 + 1 / std::log2(3)), second = 1 / std::log2(3);
  EXPECT_DOUBLE_EQ(value("ndcg10", outcomes), (first + second) / 2);
  EXPECT_DOUBLE_EQ(value("map", {{0.7, 0, 2}}), 0);
}

TEST(QueryMetrics, EqualScoresRankInTheWorstOrder) {
  const std::vector<Outcome> constant{{0.5, 1, 0}, {0.5, 0, 0}, {0.5, 0, 0}};
  EXPECT_DOUBLE_EQ(value("mrr", constant), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value("map", constant), 1.0 / 3);
}

TEST(QueryMetrics, GradesCountInNdcgAndRanksBehindTenDoNot) {
  std::vector<Outcome> outcomes(12, Outcome{0, 0, 0});
  for (size_t i = 0; i < outcomes.size(); ++i) outcomes[i].predicted = -static_cast<double>(i);
  outcomes[0].label = 0.5;
  outcomes[1].label = 1;
  const double half = std::sqrt(2.0) - 1, ideal = 1 + half / std::log2(3);
  EXPECT_DOUBLE_EQ(value("ndcg10", outcomes), (half + 1 / std::log2(3)) / ideal);
  std::vector<Outcome> late(12, Outcome{0, 0, 0});
  for (size_t i = 0; i < late.size(); ++i) late[i].predicted = -static_cast<double>(i);
  late[10].label = 1;
  EXPECT_DOUBLE_EQ(value("ndcg10", late), 0);
  EXPECT_DOUBLE_EQ(value("mrr", late), 1.0 / 11);
}

TEST(QueryMetrics, NanHasNoRank) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(value("map", {{nan, 1, 0}, {0.5, 0, 0}})));
}

TEST(QueryMetrics, Fnc1ScoreAsTheChallenges) {
  // agree 0, disagree 1, discuss 2, unrelated 3: right unrelated 0.25, wrong unrelated 0, right
  // related 1, related of another class 0.25; the most is 0.25 + 0.25 + 1 + 1.
  EXPECT_DOUBLE_EQ(value("fnc1_score", {{3, 3}, {0, 3}, {2, 2}, {1, 0}}),
                   (0.25 + 0 + 1 + 0.25) / 2.5);
}

// Passages of ten examples that are all right or all wrong: an interval over examples would be much
// too narrow.
TEST(ClusterIntervals, CoverTheTruthWhereExamplesShareAPassage) {
  constexpr int kTrials = 200, kPassages = 60, kExamples = 10;
  std::mt19937 random(17);
  std::bernoulli_distribution right(0.7);
  for (int32_t Outcome::*member : {&Outcome::passage, &Outcome::query}) {
    int covered = 0;
    double width = 0;
    for (int t = 0; t < kTrials; ++t) {
      std::vector<Outcome> outcomes;
      for (int p = 0; p < kPassages; ++p) {
        const double predicted = right(random);
        for (int e = 0; e < kExamples; ++e) {
          Outcome outcome{predicted, 1};
          outcome.*member = p;
          outcomes.push_back(outcome);
        }
      }
      const Interval interval = metric_interval(find_metric("accuracy"), outcomes);
      covered += interval.low <= 0.7 && 0.7 <= interval.high;
      width += interval.high - interval.low;
    }
    EXPECT_NEAR(static_cast<double>(covered) / kTrials, 0.95, 0.05);
    EXPECT_NEAR(width / kTrials, 2 * 1.96 * std::sqrt(0.21 / kPassages), 0.02);
  }
}

// A query that is drawn twice is two queries, not one with each passage twice.
TEST(ClusterIntervals, ResampledQueriesStayApart) {
  std::vector<Outcome> outcomes;
  for (int q = 0; q < 40; ++q) {
    // Half of the queries have their relevant passage first, half second: mrr is 1 or 1/2.
    outcomes.push_back({0.9, q % 2 == 0 ? 1. : 0., q});
    outcomes.push_back({0.1, q % 2 == 0 ? 0. : 1., q});
  }
  const Interval interval = metric_interval(find_metric("mrr"), outcomes);
  EXPECT_DOUBLE_EQ(interval.value, 0.75);
  EXPECT_NEAR(interval.high - interval.low, 2 * 1.96 * std::sqrt(0.0625 / 40), 0.02);
  const Interval same = paired_difference(find_metric("mrr"), outcomes, outcomes);
  EXPECT_EQ(same.low, 0);
  EXPECT_EQ(same.high, 0);
}

}  // namespace
}  // namespace lait
