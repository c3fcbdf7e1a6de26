// The schedule: its rules, and the one walk over its stages.
#include "lait/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/error_of.h"

namespace lait {
namespace {

using enum Scope;
using testing::ElementsAre;
using testing::HasSubstr;

// "layer:level" for each step, with j if it joins and ! if it is the last.
std::vector<std::string> text_of(const std::vector<Step>& steps) {
  std::vector<std::string> out;
  for (const Step& step : steps) {
    out.push_back(std::to_string(step.layer) + ":" + std::to_string(step.level) +
                  (step.joins ? "j" : "") + (step.last ? "!" : ""));
  }
  return out;
}

TEST(Schedule, SplitIsShorthandForTwoStages) {
  EXPECT_EQ(split_schedule(0, 6), (Schedule{{6, kExample}}));
  EXPECT_EQ(split_schedule(4, 6), (Schedule{{4, kSegment}, {2, kExample}}));
  EXPECT_EQ(split_schedule(6, 6), (Schedule{{6, kSegment}}));
  EXPECT_EQ(error_of([] { split_schedule(7, 6); }),
            "expected 0 to 6, the model's number of layers, got 7");
  for (int64_t p = 0; p <= 6; ++p) EXPECT_EQ(independent_layers(split_schedule(p, 6)), p);
  EXPECT_EQ(independent_layers({{1, kSegment}, {2, kGroup}, {3, kExample}}), 3);
}

TEST(Schedule, RulesAreChecked) {
  EXPECT_EQ(error_of([] { check_schedule({{2, kSegment}, {4, kExample}}, 6); }), "");
  EXPECT_THAT(
      error_of([] {
        check_schedule({{2, kGroup}, {4, kSegment}}, 6);
      }),
      HasSubstr("scopes may only widen (segment, group, example), got segment after group"));
  EXPECT_THAT(error_of([] {
                check_schedule({{2, kSegment}, {0, kExample}}, 2);
              }),
              HasSubstr("at least 1 layer, got 0"));
  EXPECT_THAT(error_of([] {
                check_schedule({{2, kSegment}}, 6);
              }),
              HasSubstr("6 layers together, the model's number, got 2"));
}

TEST(Schedule, StepsAreOneRowALayer) {
  EXPECT_THAT(text_of(steps(split_schedule(2, 4), kSegment)),
              ElementsAre("0:0", "1:0", "2:1j", "3:1!"));
  EXPECT_THAT(text_of(steps(split_schedule(0, 2), kSegment)), ElementsAre("0:1j", "1:1!"));
  EXPECT_THAT(text_of(steps(split_schedule(0, 2), kExample)), ElementsAre("0:0", "1:0!"));
  EXPECT_THAT(text_of(steps({{1, kSegment}, {1, kGroup}, {2, kExample}}, kSegment)),
              ElementsAre("0:0", "1:1j", "2:2j", "3:2!"));
  EXPECT_THAT(text_of(steps({{1, kSegment}, {1, kSegment}}, kSegment)), ElementsAre("0:0", "1:0!"));
  EXPECT_THAT(levels({{1, kGroup}, {2, kExample}}, kSegment),
              ElementsAre(LevelRows{kSegment}, LevelRows{kGroup}, LevelRows{kExample}));
  EXPECT_THAT(levels(split_schedule(0, 2), kExample), ElementsAre(LevelRows{kExample}));
}

constexpr Stage one_sided(int64_t layers) { return {layers, kExample, Updates::kFirst}; }

TEST(Schedule, OneSidedStagesHaveALevelOfTheirOwn) {
  EXPECT_THAT(text_of(steps({{2, kSegment}, one_sided(2)}, kSegment)),
              ElementsAre("0:0", "1:0", "2:1j", "3:1!"));
  EXPECT_THAT(text_of(steps({{1, kSegment}, {1, kExample}, one_sided(2)}, kSegment)),
              ElementsAre("0:0", "1:1j", "2:2j", "3:2!"));
  EXPECT_THAT(
      levels({{1, kSegment}, {1, kExample}, one_sided(1), one_sided(1)}, kSegment),
      ElementsAre(LevelRows{kSegment}, LevelRows{kExample}, LevelRows{kExample, Updates::kFirst}));
  EXPECT_THAT(error_of([] { steps({one_sided(4)}, kExample); }),
              HasSubstr("the pair format makes one sequence of an example"));
}

TEST(Schedule, OnlyOneSidedStagesFollowOne) {
  EXPECT_EQ(order_problem({{1, kSegment}, {1, kExample}, one_sided(1), one_sided(2)}), "");
  EXPECT_THAT(order_problem({one_sided(1), {1, kExample}}),
              HasSubstr("only stages with updates: first may follow one"));
  EXPECT_EQ(order_problem({{1, kGroup, Updates::kFirst}}),
            "updates: first is for stages of scope example, got group");
  EXPECT_THAT(error_of([] {
                check_schedule({one_sided(1), {1, kExample}}, 2);
              }),
              HasSubstr("may follow one"));
  EXPECT_FALSE(is_stock({one_sided(4)}));
  EXPECT_TRUE(is_stock(split_schedule(0, 4)));
  EXPECT_FALSE(is_stock(split_schedule(1, 4)));
}

TEST(Schedule, AnotherPKeepsOneSidedLayers) {
  const Schedule all{{3, kSegment}, one_sided(3)}, some{{2, kSegment}, {2, kExample}, one_sided(2)};
  EXPECT_EQ(split_schedule(1, all), (Schedule{{1, kSegment}, one_sided(5)}));
  EXPECT_EQ(split_schedule(0, all), (Schedule{one_sided(6)}));
  EXPECT_EQ(split_schedule(6, all), (Schedule{{6, kSegment}}));
  EXPECT_EQ(split_schedule(0, some), (Schedule{{4, kExample}, one_sided(2)}));
  EXPECT_EQ(split_schedule(4, some), (Schedule{{4, kSegment}, one_sided(2)}));
  EXPECT_EQ(split_schedule(5, some), (Schedule{{5, kSegment}, one_sided(1)}));
  EXPECT_EQ(split_schedule(2, split_schedule(4, 6)), split_schedule(2, 6));
  EXPECT_THAT(error_of([&] { split_schedule(7, all); }), HasSubstr("expected 0 to 6"));
}

TEST(Schedule, ALastLayerOfWhichOneRowIsReadIsOneSidedInInference) {
  const Reads cls{.rows = Reads::Rows::kFirst},
      cls_segments{.rows = Reads::Rows::kFirst, .means = Reads::Means::kAtJoin};
  EXPECT_EQ(for_inference(split_schedule(3, 4), cls), (Schedule{{3, kSegment}, one_sided(1)}));
  EXPECT_EQ(for_inference(split_schedule(3, 4), cls_segments),
            (Schedule{{3, kSegment}, one_sided(1)}));
  EXPECT_EQ(for_inference({{1, kSegment}, {2, kGroup}, {1, kExample}}, cls),
            (Schedule{{1, kSegment}, {2, kGroup}, one_sided(1)}));
  for (const Schedule& same : {split_schedule(2, 4), split_schedule(0, 1), split_schedule(4, 4),
                               Schedule{{1, kSegment}, {2, kExample}, {1, kExample}},
                               Schedule{{2, kSegment}, one_sided(2)}})
    EXPECT_EQ(for_inference(same, cls), same);
  EXPECT_EQ(for_inference(split_schedule(3, 4), {.rows = Reads::Rows::kAll}), split_schedule(3, 4));
  EXPECT_EQ(for_inference(split_schedule(3, 4), {.means = Reads::Means::kFinal}),
            split_schedule(3, 4));
}

TEST(Schedule, HeadsMayNotReadRowsThatAreKept) {
  using Rows = Reads::Rows;
  using Means = Reads::Means;
  const Schedule split{{2, kSegment}, one_sided(2)};
  EXPECT_FALSE(reads_kept_rows(split, {.rows = Rows::kFirst, .means = Means::kAtJoin}));
  EXPECT_FALSE(reads_kept_rows(split, {.rows = Rows::kSegments, .row_segments = {0}}));
  EXPECT_TRUE(reads_kept_rows(split, {.rows = Rows::kAll}));
  EXPECT_TRUE(reads_kept_rows(split, {.rows = Rows::kFirstAndTexts, .row_segments = {1}}));
  EXPECT_TRUE(reads_kept_rows(split, {.means = Means::kFinal}));
  EXPECT_FALSE(reads_kept_rows(split, {.means = Means::kFinal, .mean_segments = {0}}));
  EXPECT_TRUE(reads_kept_rows({one_sided(4)}, {.rows = Rows::kFirst, .means = Means::kAtJoin}))
      << "nothing is before the join, so the means are of final states";
  EXPECT_FALSE(reads_kept_rows({one_sided(4)}, {.rows = Rows::kFirst}));
  EXPECT_FALSE(reads_kept_rows(split_schedule(2, 4), {.rows = Rows::kAll}));
}

TEST(Schedule, SequencesOfExamplesAreForExampleScope) {
  EXPECT_THAT(error_of([] { steps(split_schedule(1, 4), kExample); }),
              HasSubstr("the pair format makes one sequence of an example"));
}

TEST(Schedule, MeansAreOfTheStatesThatEnterTheFirstStepOfExampleScope) {
  const auto step_of = [](const Schedule& schedule, Scope sequences, Reads::Means means) {
    return means_step(steps(schedule, sequences), levels(schedule, sequences), {.means = means});
  };
  using enum Reads::Means;
  EXPECT_EQ(step_of(split_schedule(2, 4), kSegment, kAtJoin), 2u);
  EXPECT_EQ(step_of({{1, kSegment}, {2, kGroup}, {1, kExample}}, kSegment, kAtJoin), 3u);
  EXPECT_EQ(step_of(split_schedule(2, 4), kSegment, kFinal), kFinalStates);
  EXPECT_EQ(step_of(split_schedule(0, 4), kSegment, kAtJoin), kFinalStates)
      << "nothing is before it";
  EXPECT_EQ(step_of(split_schedule(4, 4), kSegment, kAtJoin), kFinalStates) << "nothing joins";
  EXPECT_EQ(step_of(split_schedule(0, 4), kExample, kAtJoin), kFinalStates);
}

TEST(Schedule, DescribesItself) {
  EXPECT_EQ(describe({{3, kSegment}, {1, kExample}}), "3 × segment, 1 × example");
  EXPECT_EQ(describe({{3, kSegment}, one_sided(1)}), "3 × segment, 1 × example (updates first)");
}

}  // namespace
}  // namespace lait
