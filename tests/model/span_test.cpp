// The span head: transformers' logits and a plain formula's loss, the same in every batch and at
// every P, and checkpoints that transformers reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "lait/base/json.h"
#include "lait/data/dataset.h"
#include "lait/model/checkpoint.h"
#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_bert.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

using testing::HasSubstr;

constexpr double kTolerance = 1e-4;

ModelSpec span_spec(const Schedule& schedule, SegmentFormat format) {
  ModelSpec spec;
  spec.schedule = schedule;
  spec.format = format;
  spec.pooling = Pooling::kClsSegments;
  spec.head = HeadKind::kSpan;
  spec.max_segment_tokens = 256;
  spec.task = "squad";
  spec.window_overlap = 8;
  return spec;
}

std::vector<int64_t> all_of(const Dataset& dataset) {
  std::vector<int64_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

class SpanOracle : public testing::TestWithParam<const char*> {};

TEST_P(SpanOracle, HasTransformersLogits) {
  LAIT_SKIP_WITHOUT_ORACLE();
  at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  oracle::run("span_head.py",
              "make " + oracle::in_quotes(oracle::model_folder(GetParam())) + " " +
                  oracle::in_quotes(folder.path()),
              folder / "log.txt");
  const auto expected = oracle::read_tensors(folder / "logits.safetensors");
  const ModelSpec spec = span_spec({{6, Scope::kExample}}, SegmentFormat::kPair);
  Model model = load_pretrained(folder / "head", spec, {}, at::kFloat, /*seed=*/1);
  EXPECT_EQ(model->head_origin, "the checkpoint's");
  const auto tokenizer = load_tokenizer(folder / "head");
  std::vector<Example> examples;
  for (const auto& pair : oracle::read_json(folder / "pairs.json")) {
    Example& example = examples.emplace_back();
    example.segments = {pair[0], pair[1]};
    std::vector<int32_t> ids;
    std::vector<ByteRange> ranges;
    tokenizer->encode(example.segments[1], ids, ranges);
    if (ranges.size() > 2) example.label = SpanLabel{{{1, ranges[1].begin, ranges[2].end}}};
  }
  examples.back().label = SpanLabel();
  const Dataset dataset(examples, *tokenizer, spec.tokenize_options(model->config, *tokenizer));
  ASSERT_EQ(dataset.size(), std::ssize(examples));
  const DeviceBatch batch = model->to_batch(dataset, all_of(dataset), spec.schedule);
  const Outputs outputs = model->forward(batch, {});
  EXPECT_LE(oracle::max_difference(outputs.values, expected.at("logits")), kTolerance);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    EXPECT_EQ(outputs.offsets[i + 1] - outputs.offsets[i], expected.at("sizes")[i].item<int64_t>());
  }

  const std::filesystem::path saved = folder / "saved";
  save_checkpoint(model, saved);
  tokenizer->save(saved);
  const auto config = read_json(saved / "config.json");
  EXPECT_THAT(config["architectures"][0].get<std::string>(), HasSubstr("ForQuestionAnswering"));
  oracle::run("span_head.py",
              "check " + oracle::in_quotes(saved) + " " + oracle::in_quotes(folder / "pairs.json") +
                  " " + oracle::in_quotes(folder / "check.safetensors"),
              folder / "log.txt");
  const auto reloaded = oracle::read_tensors(folder / "check.safetensors");
  EXPECT_LE(oracle::max_difference(reloaded.at("logits"), expected.at("logits")), kTolerance);
  EXPECT_NEAR(model->loss(outputs, batch, {}).item<double>(), reloaded.at("loss").item<double>(),
              1e-5);
  EXPECT_EQ(load_checkpoint(saved, at::kFloat)->spec.head, HeadKind::kSpan);
}

INSTANTIATE_TEST_SUITE_P(Models, SpanOracle,
                         testing::Values("minilm", "random_bert", "random_mpnet", "random_roberta"),
                         [](const auto& info) { return std::string(info.param); });

// Questions and passages of numbers; some passages take two windows, some questions share one.
std::vector<Example> examples_of(const SmallBert& small) {
  std::mt19937 random(11);
  std::vector<std::string> passages;
  for (const int64_t length : {40, 300, 1, 25})
    passages.push_back(small.random_text(random, length));
  std::vector<Example> examples;
  for (int i = 0; i < 9; ++i) {
    const std::string& passage = passages[i % passages.size()];
    const auto blank = static_cast<int64_t>(passage.find(' '));
    examples.push_back({.segments = {small.random_text(random, 5 + i), passage}});
    SpanLabel label;
    if (i % 3 != 0) label.any_of = {{1, 0, blank < 0 ? std::ssize(passage) : blank}};
    examples.back().label = label;
  }
  return examples;
}

class SpanHead : public testing::TestWithParam<int64_t> {
 protected:
  ModelSpec spec() const {
    return GetParam() < 0 ? span_spec(split_schedule(0, 4), SegmentFormat::kPair)
                          : span_spec(split_schedule(GetParam(), 4), SegmentFormat::kStandalone);
  }
};

TEST_P(SpanHead, HasAPlainFormulasLoss) {
  at::NoGradGuard no_grad;
  const SmallBert small;
  Model model = small.model(spec(), at::kFloat);
  const Dataset dataset = small.dataset(spec(), examples_of(small));
  ASSERT_GT(dataset.size(), 9);
  const DeviceBatch batch = batch_of(model, dataset, all_of(dataset));
  const Outputs outputs = model->forward(batch, {});
  double sum = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const int64_t begin = outputs.offsets[i], end = outputs.offsets[i + 1];
    ASSERT_EQ(end - begin, 1 + dataset.window(i).num_tokens);
    const auto label = std::get<SpanLabel>(dataset.example(i).label);
    for (const int64_t column : {0, 1}) {
      int64_t right = 0;
      if (!label.any_of.empty()) {
        const TextSpan& span = label.any_of.front();
        right = column == 0 ? 1 + span.begin : span.end;
      }
      double total = 0;
      const auto logit = [&](int64_t row) { return outputs.values[row][column].item<double>(); };
      for (int64_t row = begin; row < end; ++row) total += std::exp(logit(row));
      sum += std::log(total) - logit(begin + right);
    }
  }
  const double expected = sum / (2 * static_cast<double>(dataset.size()));
  EXPECT_NEAR(model->loss(outputs, batch, {}).item<double>(), expected, 1e-5);
  // A data set's outputs, without a batch on a device.
  DeviceBatch host;
  host.packed.num_examples = dataset.size();
  host.labels = batch.labels;
  EXPECT_NEAR(model->head->loss(outputs, host, {}).item<double>(), expected, 1e-5);
}

TEST_P(SpanHead, OutputsDependNeitherOnPackingNorOnTheBatch) {
  at::NoGradGuard no_grad;
  const SmallBert small;
  Model model = small.model(spec(), at::kFloat);
  const Dataset dataset = small.dataset(spec(), examples_of(small));
  const Outputs whole = model->forward(batch_of(model, dataset, all_of(dataset)), {});
  for (const Packing packing : {Packing{.share = false}, Packing{.prune = false}}) {
    const Outputs other = model->forward(batch_of(model, dataset, all_of(dataset), packing), {});
    EXPECT_EQ(other.offsets, whole.offsets);
    EXPECT_TRUE(at::equal(other.values, whole.values));
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Outputs one = model->forward(batch_of(model, dataset, {i}), {});
    EXPECT_TRUE(
        at::equal(one.values, whole.values.slice(0, whole.offsets[i], whole.offsets[i + 1])))
        << i;
  }
}

TEST_P(SpanHead, TheBestSpanHasTheLargestSum) {
  at::NoGradGuard no_grad;
  const SmallBert small;
  Model model = small.model(spec(), at::kFloat);
  const Dataset dataset = small.dataset(spec(), examples_of(small));
  const Outputs outputs = model->forward(batch_of(model, dataset, all_of(dataset)), {});
  const auto predictions = model->head->predict(outputs);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto rows = outputs.values.slice(0, outputs.offsets[i], outputs.offsets[i + 1]);
    double best = -1e9;
    for (int64_t b = 1; b < rows.size(0); ++b) {
      for (int64_t e = b; e < std::min(rows.size(0), b + 30); ++e)
        best = std::max(best, rows[b][0].item<double>() + rows[e][1].item<double>());
    }
    const auto& span = predictions[i].span;
    ASSERT_TRUE(span);
    EXPECT_NEAR(span->score, best, 1e-5);
    EXPECT_NEAR(rows[1 + span->begin][0].item<double>() + rows[span->end][1].item<double>(), best,
                1e-5);
    EXPECT_NEAR(span->no_answer, rows[0].sum().item<double>(), 1e-5);
  }
}

std::string layout_name(const testing::TestParamInfo<int64_t>& info) {
  return info.param < 0 ? "pair" : "P" + std::to_string(info.param);
}
INSTANTIATE_TEST_SUITE_P(Layouts, SpanHead, testing::Values(-1, 0, 2, 4), layout_name);

TEST(SpanLabels, AreSpans) {
  const SmallBert small;
  const auto head = find_head(HeadKind::kSpan).make(small.config(), {});
  EXPECT_THAT(error_of([&] { head->labels(std::vector<Label>{ClassLabel{1}}); }),
              HasSubstr("takes spans as labels"));
  const at::Tensor rows =
      head->labels(std::vector<Label>{SpanLabel{{{1, 3, 5}, {1, 0, 1}}}, SpanLabel{}, NoLabel{}});
  EXPECT_TRUE(at::equal(rows, at::tensor({4, 5, 0, 0, -1, -1}).view({3, 2})));
}

TEST(SpanCheckpoint, KeepsThresholdAndWindows) {
  const SmallBert small;
  const TemporaryFolder folder;
  ModelSpec spec = span_spec(split_schedule(2, 4), SegmentFormat::kStandalone);
  spec.no_answer_threshold = -1.2345678901234567;
  const Model model = small.model(spec, at::kFloat);
  save_checkpoint(model, folder / "c");
  const ModelSpec read = read_spec(folder / "c");
  EXPECT_EQ(read.no_answer_threshold, spec.no_answer_threshold);
  EXPECT_EQ(read.window_overlap, spec.window_overlap);
  EXPECT_EQ(read_json(folder / "c" / "config.json")["model_type"], "lait");
}

}  // namespace
}  // namespace lait
