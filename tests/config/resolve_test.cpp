// What a config means for a model of six layers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/config/read.h"
#include "tests/base/error_of.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kLayers = 6;

ModelConfig independent(std::optional<int64_t> layers) {
  ModelConfig model;
  model.independent_layers = layers;
  return model;
}
ModelConfig scheduled(std::vector<Stage> stages) {
  ModelConfig model;
  model.schedule = std::move(stages);
  return model;
}
std::string schedule_error(const ModelConfig& model) {
  return error_of([&] { resolve_schedule(model, kLayers); });
}

TEST(ResolveSchedule, IndependentLayers) {
  EXPECT_THAT(resolve_schedule(independent(std::nullopt), kLayers),
              ElementsAre(Stage{6, Scope::kExample}));
  EXPECT_THAT(resolve_schedule(independent(0), kLayers), ElementsAre(Stage{6, Scope::kExample}));
  EXPECT_THAT(resolve_schedule(independent(4), kLayers),
              ElementsAre(Stage{4, Scope::kSegment}, Stage{2, Scope::kExample}));
  EXPECT_THAT(resolve_schedule(independent(6), kLayers), ElementsAre(Stage{6, Scope::kSegment}));
  EXPECT_EQ(schedule_error(independent(7)),
            "model.independent_layers: expected 0 to 6, the model's number of layers, got 7");
  EXPECT_THAT(schedule_error(independent(-1)), HasSubstr("expected 0 to 6"));
}

TEST(ResolveSchedule, Stages) {
  const std::vector<Stage> stages{{2, Scope::kSegment}, {1, Scope::kGroup}, {3, Scope::kExample}};
  EXPECT_EQ(resolve_schedule(scheduled(stages), kLayers), stages);
  EXPECT_EQ(schedule_error(scheduled({{2, Scope::kSegment}, {3, Scope::kExample}})),
            "model.schedule: expected stages of 6 layers together, the model's number, got 5");
  EXPECT_EQ(
      schedule_error(scheduled({{3, Scope::kExample}, {3, Scope::kSegment}})),
      "model.schedule: scopes may only widen (segment, group, example), got segment after example");
  EXPECT_THAT(schedule_error(scheduled({{6, Scope::kExample}, {0, Scope::kExample}})),
              HasSubstr("at least 1 layer, got 0"));
  ModelConfig both = scheduled({{6, Scope::kExample}});
  both.independent_layers = 0;
  EXPECT_THAT(schedule_error(both), HasSubstr("excludes model.independent_layers"));
}

}  // namespace
}  // namespace lait
