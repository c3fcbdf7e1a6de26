// The one code path of evaluation and prediction: order, batches, checkpoints, another P, and what
// it executes.
#include "lait/predict/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "eval/evaluation.h"
#include "eval/flops.h"
#include "lait/base/error.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"
#include "tests/predict/executed.h"

namespace lait {
namespace {

using testing::HasSubstr;

TEST(RunModel, RowsAreTheDataSetsWhateverTheBatch) {
  constexpr uint32_t kSeed = 5;
  const SmallBert bert;
  for (const int64_t p : {int64_t{0}, int64_t{2}, kTinyLayers}) {
    const ModelSpec spec = bert.spec(p, SegmentFormat::kStandalone, Pooling::kClsSegments);
    Model model = bert.model(spec, at::kFloat);
    const Dataset dataset = bert.dataset(spec, bert.random_examples(kSeed, 20));
    const at::Tensor all = run_model(model, dataset, spec.schedule)->values;
    ASSERT_EQ(all.sizes(), (std::vector<int64_t>{20, 3}));
    for (const int64_t batch_size : {1, 7}) {
      EXPECT_TRUE(at::equal(
          all, run_model(model, dataset, spec.schedule, {.batch_size = batch_size})->values))
          << "P " << p << ", batch " << batch_size << ", seed " << kSeed;
    }
    const std::vector<int64_t> one{17};
    at::NoGradGuard no_grad;
    const DeviceBatch alone = model->to_batch(dataset, one, spec.schedule);
    EXPECT_TRUE(at::equal(all[17], model->forward(alone, {}).values[0]))
        << "P " << p << ", seed " << kSeed;
  }
}

TEST(RunModel, StopsBetweenBatchesAndTellsProgress) {
  const SmallBert bert;
  const ModelSpec spec = bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls);
  Model model = bert.model(spec, at::kFloat);
  const Dataset dataset = bert.dataset(spec, bert.random_examples(1, 10));
  std::vector<int64_t> done;
  int asked = 0;
  EXPECT_FALSE(run_model(model, dataset, spec.schedule,
                         {.batch_size = 4,
                          .should_stop = [&] { return ++asked > 2; },
                          .on_progress = [&](int64_t n) { done.push_back(n); }}));
  EXPECT_THAT(done, testing::ElementsAre(4, 8));
}

TEST(Predictor, LoadGivesTheSavedModelsLogits) {
  TemporaryFolder folder;
  const auto dir = write_checkpoint(folder / "c", {.independent_layers = 2});
  Predictor predictor = Predictor::load(dir, Precision::kFp32, DeviceKind::kCpu);
  Model model = SmallBert().model(predictor.spec(), at::kFloat);
  std::vector<Example> examples(3);
  examples[0].segments = {"am bn co", "dp"};
  examples[1].segments = {"am", "zzz unknown"};
  examples[2].segments = {"", "am am"};
  EXPECT_TRUE(
      at::equal(run_model(model, predictor.tokenize(examples), predictor.spec().schedule)->values,
                predictor.outputs(examples)->values));
}

TEST(Predictor, LoadTakesARunDirectory) {
  TemporaryFolder folder;
  const auto best = write_checkpoint(folder / "run/best", {.independent_layers = 2});
  Predictor of_best = Predictor::load(best, Precision::kFp32, DeviceKind::kCpu);
  Predictor of_run = Predictor::load(folder / "run", Precision::kFp32, DeviceKind::kCpu);
  EXPECT_EQ(of_run.predict({"am bn", "co"}).score, of_best.predict({"am bn", "co"}).score);
  try {
    Predictor::load(folder / "none", Precision::kFp32, DeviceKind::kCpu);
    FAIL() << "loaded a folder that does not exist";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr((folder / "none").string())) << "not none/best";
  }
}

TEST(Predictor, AnotherPIsTheCheckpointOfThatSchedule) {
  TemporaryFolder folder;
  const auto at_two = write_checkpoint(folder / "two", {.independent_layers = 2});
  std::vector<Example> examples(1);
  examples[0].segments = {"am bn co", "dp eq"};
  for (int64_t p = 0; p <= kTinyLayers; ++p) {
    const auto dir = write_checkpoint(folder / std::to_string(p), {.independent_layers = p});
    Predictor other = Predictor::load(at_two, Precision::kFp32, DeviceKind::kCpu, p);
    EXPECT_EQ(other.spec().independent_layers(), p);
    Predictor own = Predictor::load(dir, Precision::kFp32, DeviceKind::kCpu);
    EXPECT_TRUE(at::equal(other.outputs(examples)->values, own.outputs(examples)->values))
        << "P " << p;
  }
}

TEST(Predictor, AnotherPThatCannotBeIsRefused) {
  TemporaryFolder folder;
  const auto standalone =
      write_checkpoint(folder / "s", {.independent_layers = 2, .pooling = Pooling::kCls});
  const auto pair = write_checkpoint(folder / "p", {.format = SegmentFormat::kPair});
  auto error_at = [](const std::filesystem::path& dir, int64_t p) {
    return error_of([&] { spec_at(dir, p); });
  };
  EXPECT_THAT(
      error_at(standalone, 5),
      HasSubstr("--independent-layers: expected 0 to 4, the model's number of layers, got 5"));
  EXPECT_THAT(error_at(standalone, 4),
              HasSubstr("cls without a layer of example scope would read the first segment"));
  EXPECT_THAT(error_at(pair, 2),
              HasSubstr("needs a checkpoint of segment_format standalone, got pair"));
}

// Sixteen examples whose segments have sixteen tokens each, so that there are no dead rows.
TEST(Flops, EqualWhatTheOperatorsExecute) {
  constexpr uint32_t kSeed = 9;
  const SmallBert bert;
  std::mt19937 random(kSeed);
  std::vector<Example> examples(16);
  for (Example& example : examples)
    example.segments = {bert.random_text(random, 14), bert.random_text(random, 30)};
  for (int64_t p = 0; p <= kTinyLayers; ++p) {
    const ModelSpec spec = bert.spec(p, SegmentFormat::kStandalone, Pooling::kClsSegments);
    Model model = bert.model(spec, at::kFloat);
    const Dataset dataset = bert.dataset(spec, examples);
    const Executed executed = count_executed([&] { run_model(model, dataset, spec.schedule); });
    const Flops flops = mean_flops(dataset, model->pack_plan(spec.schedule),
                                   model->config.family->costs(model->config).layer)
                            .lait;
    const double head = 2.0 * 16 * static_cast<double>(model->head->output_weight().numel());
    EXPECT_EQ(executed.attention, 16 * flops.score_context) << "P " << p << ", seed " << kSeed;
    EXPECT_EQ(executed.linear - head, 16 * (flops.encoder - flops.score_context))
        << "P " << p << ", seed " << kSeed;
  }
}

TEST(Evaluation, NamesTheCheckpointWhoseLogitsAreNotFinite) {
  const SmallBert bert;
  const ModelSpec spec = bert.spec(3, SegmentFormat::kStandalone, Pooling::kClsSegments);
  Model model = bert.model(spec, at::kFloat);
  {
    const at::NoGradGuard no_grad;
    model->head->named_parameters()["output.bias"].fill_(std::numeric_limits<double>::quiet_NaN());
    model->refresh_shadows();
  }
  const Dataset dataset = bert.dataset(spec, bert.random_examples(2, 3));
  EXPECT_THAT(error_of([&] {
                evaluate(model, spec, dataset, {"accuracy"}, {"runs/a", "jsonl", "test"}, {});
              }),
              testing::StartsWith(
                  "runs/a, test: expected finite logits, got NaN or infinity for 3 of 3 examples"));
}

TEST(Evaluation, RowHasEverything) {
  const SmallBert bert;
  const ModelSpec spec = bert.spec(3, SegmentFormat::kStandalone, Pooling::kClsSegments);
  Model model = bert.model(spec, at::kFloat);
  const Dataset dataset = bert.dataset(spec, bert.random_examples(2, 30));
  const Evaluation row =
      *evaluate(model, spec, dataset, {"accuracy", "macro_f1"}, {"dir", "jsonl", "test"}, {});
  EXPECT_EQ(row.examples, 30);
  EXPECT_EQ(row.independent_layers, 3);
  EXPECT_EQ(row.precision, "fp32");
  ASSERT_EQ(row.metrics.size(), 2u);
  EXPECT_EQ(row.metrics[0].interval.value,
            compute_metrics({"accuracy"},
                            make_outcomes(*model->head, *run_model(model, dataset, spec.schedule),
                                          dataset, "test"))
                .at("accuracy"));
  EXPECT_GT(row.examples_per_s, 0);
  EXPECT_LT(row.flops.lait_cached.encoder, row.flops.lait.encoder);
  EXPECT_LT(row.flops.lait.encoder, row.flops.full.encoder);
}

}  // namespace
}  // namespace lait
