// The estimates of lait-train --dry-run against real training. Memory is compared with the tensor
// bytes that LibTorch's CPU allocator reports, which are the same in every run. Time is compared
// with a short training right after the estimate, since on a busy machine only the two together
// mean something.
#include "train/estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "lait/model/lora.h"
#include "lait/predict/predictor.h"
#include "tests/model/small_bert.h"
#include "tests/train/tensor_bytes.h"
#include "train/sampler.h"
#include "train/train_step.h"

namespace lait {
namespace {

struct Case {
  const char* name;
  at::ScalarType dtype;
  int64_t vocab, independent_layers, examples, accumulation;
  Pooling pooling;
  Switch recompute = Switch::kOff;
  std::optional<double> ema = {};
  bool adapters = false, one_sided = false;
};

std::vector<Example> examples_of(const SmallBert& bert, int64_t count) {
  std::mt19937 random(1);
  std::vector<Example> out(static_cast<size_t>(count));
  for (Example& example : out) {
    for (int s = 0; s < 2; ++s)
      example.segments.push_back(bert.random_text(random, 10 + random() % 50));
    example.label = ClassLabel{static_cast<int64_t>(random() % 3)};
  }
  return out;
}

void run_steps(Model model, const Dataset& dataset, const TrainingConfig& config, int64_t steps) {
  TrainStep step(model, config, steps);
  const auto batches = epoch_batches(dataset, config, 0);
  for (int64_t s = 0; s < steps; ++s) {
    std::vector<DeviceBatch> micro_batches;
    for (int64_t i = 0; i < config.accumulation; ++i) {
      const auto& batch =
          batches[static_cast<size_t>(s * config.accumulation + i) % batches.size()];
      micro_batches.push_back(model->to_batch(dataset, batch, model->spec.schedule));
    }
    step.run(micro_batches, s).item<float>();
  }
}

class EstimateMemory : public testing::TestWithParam<Case> {
 protected:
  // All examples form one micro-batch.
  void SetUp() override {
    config_.batch_size = GetParam().examples;
    config_.accumulation = GetParam().accumulation;
    config_.recompute = GetParam().recompute;
    config_.ema = GetParam().ema;
  }
  SmallBert bert_{{.layers = 4,
                   .hidden = 256,
                   .heads = 8,
                   .intermediate = 1024,
                   .vocab = GetParam().vocab,
                   .positions = 128,
                   .dropout = 0.1}};
  ModelSpec spec() const {
    ModelSpec spec =
        bert_.spec(GetParam().independent_layers, SegmentFormat::kStandalone, GetParam().pooling);
    if (GetParam().one_sided) spec.schedule.back().updates = Updates::kFirst;
    return spec;
  }
  ModelSpec spec_ = spec();
  Dataset dataset_ = bert_.dataset(spec_, examples_of(bert_, GetParam().examples));
  TrainingConfig config_;
};

// One matrix of rows that is saved but not counted, or counted but not saved, is more than 1 % of
// the bytes here.
TEST_P(EstimateMemory, ActivationsAreWhatForwardLeavesForBackward) {
  const Model model = bert_.model(spec_, GetParam().dtype);
  const auto examples = epoch_batches(dataset_, config_, 0);
  ASSERT_EQ(examples.size(), 1u);
  const DeviceBatch batch = model->to_batch(dataset_, examples[0], spec_.schedule);
  Model trained = model;
  trained->encoder->set_recompute(config_.recompute == Switch::kOn);
  const auto loss = [&] {
    return trained->loss(trained->forward(batch, {.training = true}), batch, {});
  };
  loss();  // allocates what is allocated once and kept
  const TensorBytes bytes;
  const at::Tensor kept = loss();
  const auto estimated = static_cast<double>(estimate_memory(model, dataset_, config_).activations);
  EXPECT_NEAR(estimated / static_cast<double>(bytes.live()), 1, 0.01)
      << "left " << bytes.live() << " bytes, estimated " << estimated;
}

TEST_P(EstimateMemory, TotalIsWithinATenthOfTheTensorsOfTwoSteps) {
  const TensorBytes bytes;
  Model model = bert_.model(spec_, GetParam().dtype);
  if (GetParam().adapters)
    add_lora(model, {.rank = 8, .targets = {"query", "key", "value", "dense"}});
  run_steps(model, dataset_, config_, 2);
  const MemoryEstimate estimate = estimate_memory(model, dataset_, config_);
  EXPECT_NEAR(static_cast<double>(estimate.total()) / static_cast<double>(bytes.peak()), 1, 0.1)
      << "at most " << bytes.peak() << " bytes, estimated " << estimate.total() << ": weights "
      << estimate.weights << ", optimizer " << estimate.optimizer << ", backward "
      << estimate.backward << " of gradients " << estimate.gradients << " and activations "
      << estimate.activations;
}

TEST_P(EstimateMemory, WeightsAreTheModelsTensors) {
  const TensorBytes bytes;
  const Model model = bert_.model(spec_, GetParam().dtype);
  config_.ema.reset();
  const auto estimated = static_cast<double>(estimate_memory(model, dataset_, config_).weights);
  EXPECT_NEAR(estimated / static_cast<double>(bytes.live()), 1, 0.001);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, EstimateMemory,
    testing::Values(
        Case{"weights", at::kFloat, 20000, 2, 8, 1, Pooling::kClsSegments},
        Case{"activations", at::kFloat, 2000, 2, 32, 1, Pooling::kClsSegments},
        Case{"stock", at::kFloat, 8000, 0, 24, 1, Pooling::kMean},
        Case{"split", at::kFloat, 8000, 4, 24, 1, Pooling::kSegments},
        Case{"accumulation", at::kFloat, 8000, 3, 16, 2, Pooling::kCls},
        Case{"bf16", at::kBFloat16, 8000, 2, 32, 1, Pooling::kClsSegments},
        Case{"recompute", at::kFloat, 2000, 2, 32, 1, Pooling::kClsSegments, Switch::kOn},
        Case{"recompute_stock_bf16", at::kBFloat16, 2000, 0, 32, 1, Pooling::kCls, Switch::kOn},
        Case{"adapters", at::kFloat, 2000, 2, 32, 1, Pooling::kClsSegments, Switch::kOff, {}, true},
        Case{"average", at::kFloat, 20000, 2, 8, 1, Pooling::kClsSegments, Switch::kOff, 0.99},
        Case{"one_sided",
             at::kFloat,
             2000,
             1,
             32,
             1,
             Pooling::kClsSegments,
             Switch::kOff,
             {},
             false,
             true},
        Case{"one_sided_recompute",
             at::kBFloat16,
             2000,
             1,
             32,
             1,
             Pooling::kClsSegments,
             Switch::kOn,
             {},
             false,
             true}),
    [](const auto& info) { return info.param.name; });

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// Other processes can slow down one of the two halves alone, so one attempt of six must be within
// the factor. One step too many or too few in the sum, only the shortest or longest batches, or a
// forgotten accumulation give a larger error.
TEST(EstimateTime, IsWithinAFactorOfTwoAndAHalfOfATrainingBesideIt) {
  constexpr int64_t kSteps = 20;
  constexpr double kFactor = 2.5;
  const SmallBert bert({.layers = 4,
                        .hidden = 128,
                        .heads = 4,
                        .intermediate = 512,
                        .vocab = 2000,
                        .positions = 128});
  const ModelSpec spec = bert.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  RunInputs inputs;
  inputs.config.training.steps = kSteps;
  inputs.config.training.batch_size = 8;
  inputs.config.training.accumulation = 4;
  inputs.config.training.evaluate_every = 8;
  inputs.train.dataset.emplace(bert.dataset(spec, examples_of(bert, 8 * 4 * kSteps)));
  inputs.validation.dataset.emplace(bert.dataset(spec, examples_of(bert, 192)));
  const auto within = [](double estimated, double taken) {
    return estimated > taken / kFactor && estimated < taken * kFactor;
  };
  std::string seen;
  for (int attempt = 0; attempt < 6; ++attempt) {
    const TimeEstimate estimate = measure_time(bert.model(spec, at::kFloat), inputs);
    Model model = bert.model(spec, at::kFloat);
    auto began = std::chrono::steady_clock::now();
    run_steps(model, *inputs.train.dataset, inputs.config.training, kSteps);
    const double training = seconds_since(began);
    began = std::chrono::steady_clock::now();
    for (int64_t e = 0; e < estimate.evaluations + 1; ++e)
      run_model(model, *inputs.validation.dataset, spec.schedule);
    const double evaluation = seconds_since(began);
    seen += std::to_string(estimate.training_seconds) + " for " + std::to_string(training) +
            " s of steps, " + std::to_string(estimate.evaluation_seconds) + " for " +
            std::to_string(evaluation) + " s of evaluations; ";
    if (within(estimate.training_seconds, training) &&
        within(estimate.evaluation_seconds, evaluation))
      return;
  }
  FAIL() << seen;
}

// The counts do not depend on the clock. They are those of Trainer.
TEST(EstimateTime, CountsStepsAndEvaluations) {
  const SmallBert bert;
  const ModelSpec spec = bert.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  RunInputs inputs;
  TrainingConfig& training = inputs.config.training;
  training.batch_size = 4;
  inputs.train.dataset.emplace(bert.dataset(spec, examples_of(bert, 40)));
  const auto measure = [&] { return measure_time(bert.model(spec, at::kFloat), inputs); };

  TimeEstimate estimate = measure();  // three epochs of ten steps
  EXPECT_EQ(estimate.steps, 30);
  EXPECT_EQ(estimate.evaluations, 0);
  EXPECT_EQ(estimate.evaluation_seconds, 0) << "nothing to evaluate on";
  EXPECT_EQ(estimate.measured_steps, 5);
  EXPECT_DOUBLE_EQ(estimate.training_seconds, estimate.seconds_per_step * 30);

  inputs.validation.dataset.emplace(bert.dataset(spec, examples_of(bert, 8)));
  estimate = measure();
  EXPECT_EQ(estimate.evaluations, 3) << "each epoch";
  EXPECT_GT(estimate.evaluation_seconds, 0);

  training.accumulation = 2;
  training.evaluate_every = 4;
  estimate = measure();
  EXPECT_EQ(estimate.steps, 15);
  EXPECT_EQ(estimate.evaluations, 4) << "at steps 4, 8, 12 and 15";
}

}  // namespace
}  // namespace lait
