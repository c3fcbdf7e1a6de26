// Metrics against values from SciPy and scikit-learn, and intervals against their definition: 95 %
// contain the true value.
#include "eval/metrics.h"

#include <ATen/ops/from_blob.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "eval/intervals.h"
#include "lait/base/error.h"
#include "tests/eval/texts.h"

namespace lait {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<Outcome> zip(const std::vector<double>& predicted, const std::vector<double>& label) {
  std::vector<Outcome> out;
  for (size_t i = 0; i < predicted.size(); ++i) out.push_back({predicted[i], label[i]});
  return out;
}

double value(const std::string& metric, const std::vector<Outcome>& outcomes) {
  return find_metric(metric).value(outcomes);
}

TEST(Metrics, Accuracy) {
  EXPECT_DOUBLE_EQ(value("accuracy", zip({0, 1, 2, 1}, {0, 1, 1, 1})), 0.75);
}

TEST(Metrics, F1OfClassOne) {
  EXPECT_DOUBLE_EQ(value("f1", zip({0, 0, 1, 1, 1}, {0, 1, 0, 1, 1})), 2.0 / 3);
}

TEST(Metrics, F1WithoutPositivesIsZero) { EXPECT_EQ(value("f1", zip({0, 0}, {0, 0})), 0); }

// The example in the documentation of f1_score(..., average="macro").
TEST(Metrics, MacroF1AsScikitLearn) {
  EXPECT_NEAR(value("macro_f1", zip({0, 2, 1, 0, 0, 1}, {0, 1, 2, 0, 1, 2})), 0.26666666666666666,
              1e-15);
}

TEST(Metrics, MeanSquaredError) {
  EXPECT_DOUBLE_EQ(value("mse", zip({2.5, 0, 2, 8}, {3, -0.5, 2, 7})), 0.375);
}

TEST(Metrics, PearsonAsScipy) {
  const auto outcomes = zip({1, 2, 3, 4, 5, 6, 7}, {10, 9, 2.5, 6, 4, 3, 2});
  EXPECT_NEAR(value("pearson", outcomes), -0.828503883588428, 1e-14);
}

TEST(Metrics, SpearmanAsScipyWithTies) {
  EXPECT_NEAR(value("spearman", zip({1, 2, 3, 4, 5}, {5, 6, 7, 8, 7})), 0.82078268166812329, 1e-14);
  EXPECT_NEAR(value("spearman", zip({1, 2, 2, 3}, {1, 3, 2, 4})), 4.5 / std::sqrt(22.5), 1e-14);
}

TEST(Metrics, CorrelationWithAConstantIsZero) {
  EXPECT_EQ(value("pearson", zip({1, 1, 1}, {1, 2, 3})), 0);
  EXPECT_EQ(value("spearman", zip({1, 2, 3}, {4, 4, 4})), 0);
}

TEST(Metrics, CorrelationOfConstantsWhoseMeanIsRoundedIsZero) {
  for (const size_t n : {10u, 49u, 100u}) {
    const auto outcomes = zip(std::vector<double>(n, 0.1), std::vector<double>(n, 2.6));
    EXPECT_EQ(value("pearson", outcomes), 0) << n;
    EXPECT_EQ(value("spearman", outcomes), 0) << n;
  }
}

TEST(Metrics, BetterKnowsTheDirectionAndNan) {
  EXPECT_TRUE(better("accuracy", 0.9, 0.8));
  EXPECT_FALSE(better("accuracy", 0.8, 0.8));
  EXPECT_TRUE(better("mse", 0.1, 0.2));
  EXPECT_FALSE(better("mse", std::nan(""), 0.2));
  EXPECT_TRUE(better("pearson", -0.5, std::nan("")));
}

TEST(Metrics, UnknownNameIsAnError) {
  try {
    find_metric("acuracy");
    FAIL() << "expected an error";
  } catch (const UserError& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr("expected a metric among accuracy, f1, macro_f1, fnc1_score, mse, pearson, "
                  "spearman, answer_f1, answer_exact, f1m, exact_match, map, mrr, ndcg10, got "
                  "'acuracy'"));
  }
}

std::shared_ptr<HeadImpl> head_of(HeadKind kind) {
  HfConfig config;
  config.family = find_family("bert");
  config.hidden_size = 32;
  const HeadOptions options{.labels = kind == HeadKind::kClassifier
                                          ? std::vector<std::string>{"x", "y", "z"}
                                          : std::vector<std::string>{}};
  return find_head(kind).make(config, options);
}

TEST(Metrics, OutcomesTakeTheFirstLargestClassAndNeedLabels) {
  std::vector<float> logits{0.5f, 2.f, 2.f, 3.f, -1.f, 0.f};
  const at::Tensor tensor = at::from_blob(logits.data(), {2, 3}, at::kFloat);
  const auto head = head_of(HeadKind::kClassifier);
  const auto predictions = head->predict({tensor});
  EXPECT_EQ(predictions[0].value, 1);
  EXPECT_EQ(predictions[1].label, "x");
  const WordTokenizer tokenizer;
  const std::vector<Example> labelled{make_example({"a"}, 1), make_example({"b"}, 2)};
  const Dataset dataset(labelled, tokenizer, {});
  EXPECT_DOUBLE_EQ(
      compute_metrics({"accuracy"}, make_outcomes(*head, {tensor}, dataset, "test")).at("accuracy"),
      0.5);
  const std::vector<Example> unlabelled{make_example({"a"}, 1), make_example({"b"})};
  try {
    make_outcomes(*head, {tensor}, Dataset(unlabelled, tokenizer, {}), "test");
    FAIL() << "expected an error";
  } catch (const UserError& error) {
    EXPECT_THAT(
        error.what(),
        StartsWith("test: example 2: evaluation needs a label among the model's 3, got none"));
  }
}

TEST(Metrics, LogitsThatAreNotFiniteAreNoPredictions) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInfinity = std::numeric_limits<float>::infinity();
  const WordTokenizer tokenizer;
  const std::vector<Example> examples{make_example({"a"}, 0), make_example({"b"}, 0),
                                      make_example({"c"}, 0)};
  const Dataset dataset(examples, tokenizer, {});
  for (const HeadKind kind : {HeadKind::kClassifier, HeadKind::kRegression}) {
    const int64_t width = kind == HeadKind::kClassifier ? 3 : 1;
    std::vector<float> logits(static_cast<size_t>(3 * width), 0.5f);
    logits.front() = kNan;
    logits.back() = -kInfinity;
    try {
      make_outcomes(*head_of(kind), {at::from_blob(logits.data(), {3, width}, at::kFloat)}, dataset,
                    "trial");
      FAIL() << "expected an error";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), StartsWith("trial: expected finite logits, got NaN or infinity for "
                                           "2 of 3 examples: the training diverged or the model's "
                                           "weights are damaged; take another checkpoint, or train "
                                           "with a lower learning rate"));
    }
  }
}

TEST(Intervals, WilsonAsPublished) {
  // statsmodels.proportion_confint(8, 10, method="wilson")
  const Interval eight_of_ten = wilson(8, 10);
  EXPECT_NEAR(eight_of_ten.low, 0.4901625, 1e-6);
  EXPECT_NEAR(eight_of_ten.high, 0.9433178, 1e-6);
  const Interval all = wilson(20, 20);
  EXPECT_EQ(all.value, 1);
  EXPECT_EQ(all.high, 1);
  EXPECT_NEAR(all.low, 0.8388748, 1e-6);
}

TEST(Intervals, PairedAccuracyFromDiscordantPairs) {
  // 100 examples, 12 right only in a, 4 right only in b: difference 0.08. Agresti-Min by hand: 8 /
  // 102 +- z sqrt(17 - 64 / 102) / 102.
  std::vector<Outcome> a, b;
  for (int i = 0; i < 100; ++i) {
    a.push_back({i < 12 || i >= 16 ? 1. : 0., 1.});
    b.push_back({i >= 12 ? 1. : 0., 1.});
  }
  const Interval difference = paired_difference(find_metric("accuracy"), a, b);
  EXPECT_DOUBLE_EQ(difference.value, 0.08);
  const double half = 1.959964 * std::sqrt(17 - 64.0 / 102) / 102;
  EXPECT_NEAR(difference.low, 8.0 / 102 - half, 1e-6);
  EXPECT_NEAR(difference.high, 8.0 / 102 + half, 1e-6);
  const Interval same = paired_difference(find_metric("accuracy"), a, a);
  EXPECT_EQ(same.value, 0);
  EXPECT_LT(same.low, 0);
  EXPECT_GT(same.high, 0);
}

TEST(Intervals, BootstrapIsReproducible) {
  std::mt19937 random(3);
  std::normal_distribution<double> noise;
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 50; ++i) {
    const double label = noise(random);
    outcomes.push_back({label + noise(random), label});
  }
  const Interval a = metric_interval(find_metric("pearson"), outcomes),
                 b = metric_interval(find_metric("pearson"), outcomes);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_LT(a.low, a.value);
  EXPECT_GT(a.high, a.value);
}

// The share of `kTrials` samples whose interval contains the true value. sample(random) returns the
// interval of one sample.
template <class Sample>
double coverage(double truth, uint32_t seed, Sample&& sample) {
  constexpr int kTrials = 200;
  std::mt19937 random(seed);
  int covered = 0;
  for (int t = 0; t < kTrials; ++t) {
    const Interval e = sample(random);
    covered += e.low <= truth && truth <= e.high;
  }
  return static_cast<double>(covered) / kTrials;
}

TEST(Intervals, CoverTheTruth) {
  constexpr uint32_t kSeed = 11;
  std::normal_distribution<double> noise;
  std::bernoulli_distribution right(0.85);
  EXPECT_THAT(coverage(0.85, kSeed,
                       [&](std::mt19937& random) {
                         std::vector<Outcome> outcomes(150, Outcome{0, 1});
                         for (Outcome& o : outcomes) o.predicted = right(random);
                         return metric_interval(find_metric("accuracy"), outcomes);
                       }),
              DoubleNear(0.95, 0.05))
      << "accuracy, seed " << kSeed;
  EXPECT_THAT(coverage(0.25, kSeed,
                       [&](std::mt19937& random) {
                         std::vector<Outcome> outcomes(100);
                         for (Outcome& o : outcomes) o.predicted = 0.5 * noise(random);
                         return metric_interval(find_metric("mse"), outcomes);
                       }),
              DoubleNear(0.95, 0.06))
      << "mse, seed " << kSeed;
}

TEST(Intervals, PairedDifferencesCoverTheTruth) {
  constexpr uint32_t kSeed = 12;
  std::uniform_real_distribution<double> uniform(0, 1);
  for (const std::string metric : {"accuracy", "macro_f1"}) {
    EXPECT_THAT(
        coverage(0.05, kSeed,
                 [&](std::mt19937& random) {
                   // Both right 0.75, only a 0.125, only b 0.075, none 0.05, over balanced labels:
                   // the accuracies differ by 0.05.
                   std::vector<Outcome> a, b;
                   for (int i = 0; i < 200; ++i) {
                     const double u = uniform(random), label = i % 2;
                     a.push_back({u < 0.875 ? label : 1 - label, label});
                     b.push_back({u < 0.75 || (u >= 0.875 && u < 0.95) ? label : 1 - label, label});
                   }
                   return paired_difference(find_metric(metric), a, b);
                 }),
        DoubleNear(0.95, 0.05))
        << metric << ", seed " << kSeed;
  }
}

}  // namespace
}  // namespace lait
