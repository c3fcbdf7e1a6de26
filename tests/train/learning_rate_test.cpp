// The learning rate against transformers' schedules (5.x: get_linear_schedule_with_warmup and its
// like), with 100 steps.
#include "train/learning_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/config/enum_names.h"

namespace lait {
namespace {

std::vector<double> factors(const TrainingConfig& config) {
  std::vector<double> out;
  for (const int64_t step : {0, 5, 10, 33, 55, 99})
    out.push_back(learning_rate_factor(config, step, /*total_steps=*/100));
  return out;
}

struct Curve {
  LearningRateSchedule schedule;
  int64_t warmup_steps;
  std::vector<double> factors;
};

class LearningRate : public testing::TestWithParam<Curve> {};

TEST_P(LearningRate, IsTransformers) {
  const Curve& curve = GetParam();
  TrainingConfig config;
  config.schedule = curve.schedule;
  config.warmup_steps = curve.warmup_steps;
  EXPECT_THAT(factors(config), testing::Pointwise(testing::DoubleNear(1e-15), curve.factors));
  config.warmup_steps.reset();
  config.warmup = static_cast<double>(curve.warmup_steps) / 100;
  EXPECT_THAT(factors(config), testing::Pointwise(testing::DoubleNear(1e-15), curve.factors));
}

using enum LearningRateSchedule;
INSTANTIATE_TEST_SUITE_P(
    Curves, LearningRate,
    testing::Values(
        Curve{kLinear, 0, {1.0, 0.95, 0.9, 0.67, 0.45, 0.01}},
        Curve{kConstant, 0, {1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
        Curve{kCosine,
              0,
              {1.0, 0.9938441702975689, 0.9755282581475768, 0.7545207078751857, 0.42178276747988447,
               0.0002467198171342}},
        Curve{kInverseSqrt,
              0,
              {1.0, 0.9997500937109545, 0.9995003746877732, 0.998354072552019, 0.9972612920067925,
               0.9950864531349993}},
        Curve{kLinear, 10, {0.0, 0.5, 1.0, 0.7444444444444445, 0.5, 0.011111111111111112}},
        Curve{kConstant, 10, {0.0, 0.5, 1.0, 1.0, 1.0, 1.0}},
        Curve{kCosine, 10, {0.0, 0.5, 1.0, 0.8473291852294986, 0.5, 0.00030458649045211894}},
        Curve{kInverseSqrt,
              10,
              {0.0, 0.5, 1.0, 0.5504818825631803, 0.42640143271122083, 0.3178208630818641}}),
    [](const auto& info) {
      return to_string(info.param.schedule) + "_after_" + std::to_string(info.param.warmup_steps);
    });

TEST(WarmUp, MayBeLongerThanTheRun) {
  TrainingConfig config;
  config.warmup_steps = 200;
  EXPECT_DOUBLE_EQ(learning_rate_factor(config, 99, 100), 99.0 / 200);
  config.warmup_steps = 100;
  for (const LearningRateSchedule schedule : {kLinear, kCosine, kConstant, kInverseSqrt}) {
    config.schedule = schedule;
    EXPECT_DOUBLE_EQ(learning_rate_factor(config, 99, 100), 0.99);
  }
}

}  // namespace
}  // namespace lait
