// The relevance head: takes over a cross-encoder's logit, trains it with transformers' loss of one
// label among many, and writes checkpoints that transformers reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/data/dataset.h"
#include "lait/model/checkpoint.h"
#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_bert.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

constexpr double kTolerance = 1e-4;

ModelSpec stock_spec(int64_t layers) {
  ModelSpec spec;
  spec.schedule = {{layers, Scope::kExample}};
  spec.format = SegmentFormat::kPair;
  spec.pooling = Pooling::kCls;
  spec.head = HeadKind::kRelevance;
  spec.max_segment_tokens = 512;
  spec.task = "ranking";
  return spec;
}

class CrossEncoder : public testing::TestWithParam<const char*> {};

TEST_P(CrossEncoder, HasTransformersLogitsAndLoss) {
  LAIT_SKIP_WITHOUT_ORACLE();
  at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  oracle::run("cross_encoder.py",
              "make " + oracle::in_quotes(oracle::model_folder(GetParam())) + " " +
                  oracle::in_quotes(folder.path()),
              folder / "log.txt");
  const at::Tensor expected = oracle::read_tensors(folder / "scores.safetensors").at("logits");
  const ModelSpec spec = stock_spec(6);
  Model model = load_pretrained(folder / "head", spec, {}, at::kFloat, /*seed=*/1);
  EXPECT_EQ(model->head_origin, "the checkpoint's");
  std::vector<Example> examples;
  for (const auto& pair : oracle::read_json(folder / "pairs.json")) {
    Example& example = examples.emplace_back();
    example.segments = {pair[0], pair[1]};
    example.label = NumberLabel{static_cast<double>((examples.size() - 1) % 2)};
  }
  const auto tokenizer = load_tokenizer(folder / "head");
  const Dataset dataset(examples, *tokenizer, spec.tokenize_options(model->config, *tokenizer));
  std::vector<int64_t> all(examples.size());
  std::iota(all.begin(), all.end(), 0);
  const DeviceBatch batch = model->to_batch(dataset, all, spec.schedule);
  const Outputs outputs = model->forward(batch, {});
  EXPECT_LE(oracle::max_difference(outputs.values.squeeze(1), expected), kTolerance);
  const auto predictions = model->head->predict(outputs);
  for (size_t i = 0; i < predictions.size(); ++i) {
    const double logit = expected[static_cast<int64_t>(i)].item<double>();
    EXPECT_NEAR(predictions[i].score, 1 / (1 + std::exp(-logit)), kTolerance);
    EXPECT_TRUE(predictions[i].probabilities.empty());
  }

  const std::filesystem::path saved = folder / "saved";
  save_checkpoint(model, saved);
  tokenizer->save(saved);
  oracle::run("cross_encoder.py",
              "loss " + oracle::in_quotes(saved) + " " + oracle::in_quotes(folder / "pairs.json") +
                  " " + oracle::in_quotes(folder / "loss.safetensors"),
              folder / "log.txt");
  const auto reloaded = oracle::read_tensors(folder / "loss.safetensors");
  EXPECT_LE(oracle::max_difference(reloaded.at("logits"), expected), kTolerance);
  EXPECT_NEAR(model->loss(outputs, batch, {}).item<double>(), reloaded.at("loss").item<double>(),
              1e-5);
  // Our own checkpoint says which head it is.
  EXPECT_EQ(load_checkpoint(saved, at::kFloat)->spec.head, HeadKind::kRelevance);
}

INSTANTIATE_TEST_SUITE_P(Models, CrossEncoder,
                         testing::Values("minilm", "random_mpnet", "random_roberta"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Relevance, TakesNumbersFromZeroToOne) {
  const SmallBert small;
  const auto head =
      find_head(HeadKind::kRelevance).make(small.config(), {.pooling = Pooling::kMean});
  EXPECT_THAT(error_of([&] { head->labels(std::vector<Label>{ClassLabel{1}}); }),
              testing::HasSubstr("takes numbers as labels"));
  EXPECT_EQ(head->label_value(NumberLabel{0.25}), 0.25);
  EXPECT_THAT(error_of([&] { head->label_value(NoLabel{}); }),
              testing::HasSubstr("evaluation needs a label"));
}

}  // namespace
}  // namespace lait
