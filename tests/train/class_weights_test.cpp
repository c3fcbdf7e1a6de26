// training.class_weights as users write it.
#include <gmock/gmock.h>

#include "tests/base/error_of.h"
#include "tests/train/trained_here.h"
#include "train/load_model.h"

namespace lait {
namespace {

using testing::HasSubstr;

class ClassWeightsRun : public TrainedHere {
 protected:
  void SetUp() override { write_inputs(40, 20, 0, "steps: 3, log_every: 1"); }
};

TEST_F(ClassWeightsRun, BalancedCountsTheTrainingData) {
  use({"training.class_weights=balanced"});
  std::vector<double> counts(3);
  const Dataset& train = *inputs().train.dataset;
  for (int64_t i = 0; i < train.size(); ++i)
    ++counts[std::get<ClassLabel>(train.example(i).label).index];
  const std::vector<double> weights = class_weights(inputs());
  ASSERT_EQ(weights.size(), 3u);
  std::string by_hand = "training.class_weights={";
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_DOUBLE_EQ(weights[c], 40 / (3 * counts[c]));
    by_hand += (c == 0 ? "" : ", ") + inputs().spec.labels[c] + ": " +
               std::to_string(40 / (3 * counts[c]));
  }
  run("balanced");
  use({by_hand + "}"});
  run("by_hand");
  use({});
  run("equal");
  const auto losses = [&](const std::string& dir) {
    std::vector<double> out;
    LineReader reader(folder_ / dir / "metrics.jsonl");
    while (const auto line = reader.next()) out.push_back(nlohmann::json::parse(*line)["loss"]);
    return out;
  };
  EXPECT_THAT(losses("balanced"), testing::Pointwise(testing::DoubleNear(1e-5), losses("by_hand")));
  EXPECT_THAT(losses("balanced"),
              testing::Not(testing::Pointwise(testing::DoubleNear(1e-5), losses("equal"))));
}

TEST_F(ClassWeightsRun, MistakesAreSaid) {
  const auto error = [&](const std::vector<std::string>& overrides) {
    return error_of([&] {
      use(overrides);
      class_weights(inputs());
    });
  };
  EXPECT_THAT(error({"training.class_weights={entails: 2, entialed: 3}"}),
              HasSubstr("training.class_weights: expected labels of {entails, neutral, refutes}, "
                        "got 'entialed'"));
  EXPECT_THAT(error({"training.class_weights=equal"}),
              HasSubstr("training.class_weights: expected balanced, or a mapping {label: weight, "
                        "…}, got 'equal'"));
  EXPECT_THAT(error({"training.class_weights={entails: 0}"}),
              HasSubstr("training.class_weights: expected a number"));
  EXPECT_THAT(error({"training.class_weights={entails: 2, entails: 3}"}), HasSubstr("twice"));
  EXPECT_THAT(error({"training.class_weights=balanced", "model.head=regression"}),
              HasSubstr("training.class_weights: expected a head with classes, got another"));
}

}  // namespace
}  // namespace lait
