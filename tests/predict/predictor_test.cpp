// The one code path of evaluation and prediction: order, batches, checkpoints, other P, and what it executes.
#include "lait/predict/predictor.h"

#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "eval/evaluation.h"
#include "eval/flops.h"
#include "lait/base/error.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {
namespace {

using testing::HasSubstr;

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(RunModel, RowsAreTheDataSetsWhateverTheBatch) {
  constexpr uint32_t kSeed = 5;
  const SmallBert bert;
  for (const int64_t p : {int64_t{0}, int64_t{2}, kTinyLayers}) {
    const ModelSpec spec = bert.spec(p, SegmentFormat::kStandalone, Pooling::kClsSegments);
    Model model = bert.model(spec, at::kFloat);
    const Dataset dataset = bert.dataset(spec, bert.random_examples(kSeed, 20));
    const at::Tensor all = *run_model(model, dataset);
    ASSERT_EQ(all.sizes(), (std::vector<int64_t>{20, 3}));
    for (const int64_t batch_size : {1, 7}) {
      EXPECT_TRUE(at::equal(
          all, *run_model(model, dataset,
                          {.batch_size = batch_size, .should_stop = {}, .on_progress = {}})))
          << "P " << p << ", batch " << batch_size << ", seed " << kSeed;
    }
    const std::vector<int64_t> one{17};
    at::NoGradGuard no_grad;
    const DeviceBatch alone =
        to_device(pack(dataset, one, spec.pack_plan()), at::kCPU, /*regression=*/false);
    EXPECT_TRUE(at::equal(all[17], model->forward(alone, {})[0]))
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
  EXPECT_FALSE(run_model(model, dataset,
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
      at::equal(*run_model(model, predictor.tokenize(examples)), *predictor.logits(examples, {})));
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
    EXPECT_TRUE(at::equal(*other.logits(examples, {}), *own.logits(examples, {}))) << "P " << p;
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
  EXPECT_THAT(error_at(standalone, 5),
              HasSubstr("expected --independent-layers from 0 to 4 (the model's layers), got 5"));
  EXPECT_THAT(error_at(standalone, 4), HasSubstr("with pooling cls at P = 4"));
  EXPECT_THAT(error_at(pair, 2),
              HasSubstr("needs a checkpoint of segment_format standalone, got pair"));
}

// A count of what really runs: the row-wise products and attention calls that LibTorch sees, of sixteen examples of
// sixteen tokens a segment, so that no dead rows are among them.
struct Executed {
  double linear = 0, attention = 0;
  int depth = 0;  // an operator calls itself again behind autograd
};
Executed executed;

bool is_counted(const at::RecordFunction& call) {
  const std::string name = call.name();
  return name == "aten::linear" || name == "lait::segment_attention";
}

std::unique_ptr<at::ObserverContext> count_begin(const at::RecordFunction& call) {
  if (!is_counted(call) || executed.depth++ > 0) return nullptr;
  const auto inputs = call.inputs();
  if (std::string(call.name()) == "aten::linear") {
    const at::Tensor x = inputs[0].toTensor(), weight = inputs[1].toTensor();
    executed.linear += 2.0 * static_cast<double>(x.size(0)) * static_cast<double>(weight.numel());
  } else {
    const at::Tensor q = inputs[0].toTensor(), q_offsets = inputs[3].toTensor(),
                     k_offsets = inputs[4].toTensor();
    const auto pairs = (at::diff(q_offsets) * at::diff(k_offsets)).sum().item<int64_t>();
    executed.attention += 4.0 * static_cast<double>(q.size(1) * q.size(2) * pairs);
  }
  return nullptr;
}

void count_end(const at::RecordFunction& call, at::ObserverContext*) {
  executed.depth -= is_counted(call);
}

TEST(Flops, EqualWhatTheOperatorsExecute) {
  constexpr uint32_t kSeed = 9;
  const SmallBertOptions sizes;
  const SmallBert bert(sizes);
  std::mt19937 random(kSeed);
  std::vector<Example> examples(16);
  for (Example& example : examples)
    example.segments = {bert.random_text(random, 14), bert.random_text(random, 30)};
  for (int64_t p = 0; p <= kTinyLayers; ++p) {
    const ModelSpec spec = bert.spec(p, SegmentFormat::kStandalone, Pooling::kClsSegments);
    Model model = bert.model(spec, at::kFloat);
    const Dataset dataset = bert.dataset(spec, examples);
    executed = {};
    const auto handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback(count_begin, count_end).needsInputs(true));
    run_model(model, dataset);
    at::removeCallback(handle);
    const Flops flops =
        mean_flops(dataset, spec.pack_plan(), {sizes.hidden, sizes.intermediate}).lait;
    const double head = 2.0 * 16 * static_cast<double>(model->classifier->weight.numel());
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
    model->classifier->bias.fill_(std::numeric_limits<double>::quiet_NaN());
    model->refresh_shadows();
  }
  const Dataset dataset = bert.dataset(spec, bert.random_examples(2, 3));
  EXPECT_THAT(error_of([&] {
                evaluate(model, dataset, {"accuracy"}, {"runs/a", "jsonl", "test"}, {});
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
      *evaluate(model, dataset, {"accuracy", "macro_f1"}, {"dir", "jsonl", "test"}, {});
  EXPECT_EQ(row.examples, 30);
  EXPECT_EQ(row.independent_layers, 3);
  EXPECT_EQ(row.precision, "fp32");
  ASSERT_EQ(row.metrics.size(), 2u);
  EXPECT_EQ(
      row.metrics[0].interval.value,
      compute_metrics({"accuracy"}, *run_model(model, dataset), dataset, "test").at("accuracy"));
  EXPECT_GT(row.examples_per_s, 0);
  EXPECT_LT(row.flops.lait_cached.encoder, row.flops.lait.encoder);
  EXPECT_LT(row.flops.lait.encoder, row.flops.full.encoder);
}

}  // namespace
}  // namespace lait
