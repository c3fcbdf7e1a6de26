// model.lexical_bias: what it adds where, its gradients, which of its parameters are trained, its
// checkpoints, and what has none. (The laws, recomputation, stores and steps against PyTorch are
// tested where those are.)
#include "kernels/lexical_bias.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "lait/base/files.h"
#include "lait/checkpoint/safetensors.h"
#include "lait/model/checkpoint.h"
#include "lait/model/lora.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"

namespace lait {
namespace {

using testing::HasSubstr;

const Schedule kOneSided{{2, Scope::kSegment}, {2, Scope::kExample, Updates::kFirst}};

ModelSpec with_bias(ModelSpec spec) {
  spec.lexical_bias = true;
  return spec;
}
ModelSpec bert_spec(const Schedule& schedule = split_schedule(2, 4)) {
  return with_bias(SmallBert().spec(schedule, SegmentFormat::kStandalone, Pooling::kClsSegments));
}

std::vector<int64_t> all_of(const Dataset& dataset) {
  std::vector<int64_t> all(static_cast<size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

at::Tensor logits(Model& model, const Dataset& dataset) {
  const at::NoGradGuard no_grad;
  return model->forward(model->to_batch(dataset, all_of(dataset), model->spec.schedule), {}).values;
}

void set_biases(Model& model, double value) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& bias : model->lexical_biases) bias.fill_(value);
}

class LexicalBiasOf : public testing::TestWithParam<std::tuple<const char*, Schedule>> {
 protected:
  LexicalBiasOf() {
    const auto& [family, schedule] = GetParam();
    if (std::string(family) == "t5") {
      const ModelSpec spec = t5_spec(schedule, SegmentFormat::kStandalone, HeadKind::kClassifier);
      examples_ = t5_examples(/*seed=*/5, 6);
      model_ = fresh_t5(folder_ / "with", t5_config(/*gated=*/true), with_bias(spec), at::kFloat);
      plain_ = fresh_t5(folder_ / "plain", t5_config(/*gated=*/true), spec, at::kFloat);
      reads_all_rows_ = true;
      return;
    }
    const SmallBert bert({.family = family});
    ModelSpec spec = bert.spec(schedule, SegmentFormat::kStandalone, Pooling::kClsSegments);
    examples_ = bert.random_examples(/*seed=*/5, 6);
    model_ = bert.model(with_bias(spec), at::kFloat);
    plain_ = bert.model(spec, at::kFloat);
  }
  Dataset dataset(const std::vector<Example>& examples) const {
    if (model_->config.family->model_type() == "t5") return t5_dataset(model_, examples);
    return SmallBert().dataset(model_->spec, examples);
  }

  TemporaryFolder folder_;
  std::vector<Example> examples_;
  Model model_{nullptr}, plain_{nullptr};
  bool reads_all_rows_ = false;
};

TEST_P(LexicalBiasOf, OfZeroChangesNoBit) {
  const Dataset data = dataset(examples_);
  set_biases(model_, 0);
  EXPECT_TRUE(at::equal(logits(model_, data), logits(plain_, data)));
}

// Only tokens that two segments have in common count, and special ones do not.
TEST_P(LexicalBiasOf, CountsCommonTokens) {
  set_biases(model_, 2);
  std::vector<Example> examples(2);
  examples[0].segments = {"10 11 12 10", "20 21 22"};
  examples[1].segments = {"10 11 12 10", "20 11 22"};
  const Dataset data = dataset(examples);
  const at::Tensor with = logits(model_, data), without = logits(plain_, data);
  EXPECT_TRUE(at::equal(with[0], without[0])) << "a token twice in one segment";
  EXPECT_GT((with[1] - without[1]).abs().max().item<double>(), 1e-4);
}

TEST_P(LexicalBiasOf, GradientsEqualFiniteDifferences) {
  const Dataset data = dataset(examples_);
  set_biases(model_, 0.3);
  const DeviceBatch batch = model_->to_batch(data, all_of(data), model_->spec.schedule);
  const auto loss = [&] { return model_->loss(model_->forward(batch, {}), batch, {}); };
  loss().backward();
  for (int64_t layer = 0; layer < 4; ++layer) {
    at::Tensor& bias = model_->lexical_biases[layer];
    EXPECT_EQ(bias.requires_grad(), layer >= 2);
    ASSERT_EQ(bias.grad().defined(), layer >= 2);
    for (int64_t head = 0; layer >= 2 && head < bias.size(0); ++head) {
      const at::NoGradGuard no_grad;
      constexpr double kStep = 0.1;
      const auto moved = [&](double by) {
        bias[head].add_(by);
        const double value = loss().item<double>();
        bias[head].sub_(by);
        return value;
      };
      const double got = bias.grad()[head].item<double>(),
                   expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      EXPECT_NEAR(got, expected, 2e-2 * std::abs(expected) + 2e-5)
          << "layer " << layer << " head " << head;
      // In its last layer BERT computes the first row alone, a special token's.
      EXPECT_EQ(got != 0, layer == 2 || reads_all_rows_);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, LexicalBiasOf,
                         testing::Combine(testing::Values("bert", "roberta", "mpnet"),
                                          testing::Values(split_schedule(2, 4), kOneSided)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) +
                                  (info.index % 2 == 1 ? "_one_sided" : "");
                         });
INSTANTIATE_TEST_SUITE_P(T5, LexicalBiasOf,
                         testing::Combine(testing::Values("t5"),
                                          testing::Values(split_schedule(2, 4))));

TEST(LexicalBias, NeedsBatchesWithWords) {
  const SmallBert bert;
  Model model = bert.model(bert_spec(), at::kFloat);
  const Dataset data = bert.dataset(model->spec, bert.random_examples(5, 4));
  PackPlan plan = model->pack_plan(model->spec.schedule);
  EXPECT_TRUE(plan.words);
  plan.words = false;
  const DeviceBatch batch = to_device(pack(data, all_of(data), plan), at::Tensor(), at::kCPU);
  EXPECT_THROW(model->forward(batch, {}), c10::Error);
}

std::vector<std::string> trained_biases(const Model& model) {
  std::vector<std::string> names;
  for (const ModelParameter& parameter : model->trained_parameters()) {
    if (parameter.role.kind == ParameterRole::Kind::kLexicalBias) names.push_back(parameter.name);
  }
  return names;
}

TEST(LexicalBias, IsTrainedInLayersThatJoinAndAreNotFrozen) {
  using testing::ElementsAre;
  const SmallBert bert;
  Model model = bert.model(bert_spec(), at::kFloat);
  EXPECT_THAT(trained_biases(model), ElementsAre("lait.lexical_bias.2", "lait.lexical_bias.3"));
  model->freeze({.embeddings = true, .layers = {true, true, true, false}});
  EXPECT_THAT(trained_biases(model), ElementsAre("lait.lexical_bias.3"));
  Model adapted = bert.model(
      bert_spec({{1, Scope::kSegment}, {1, Scope::kGroup}, {2, Scope::kExample}}), at::kFloat);
  add_lora(adapted, {.targets = {"query", "value"}});
  EXPECT_THAT(trained_biases(adapted),
              ElementsAre("lait.lexical_bias.1", "lait.lexical_bias.2", "lait.lexical_bias.3"));
}

class LexicalBiasCheckpoint : public testing::Test {
 protected:
  LexicalBiasCheckpoint() { save_checkpoint(model_, folder_.path()); }

  TemporaryFolder folder_;
  const SmallBert bert_;
  Model model_ = bert_.model(bert_spec(), at::kFloat);
  Dataset data_ = bert_.dataset(model_->spec, bert_.random_examples(5, 6));
};

TEST_F(LexicalBiasCheckpoint, IsReadAgain) {
  EXPECT_TRUE(SafetensorsFile(folder_ / "model.safetensors").has("lait.lexical_bias.3"));
  EXPECT_THAT(read_file(folder_ / "lait.yaml"), HasSubstr("lexical_bias: true"));
  Model again = load_checkpoint(folder_.path(), at::kFloat);
  EXPECT_TRUE(again->spec.lexical_bias);
  ASSERT_EQ(again->lexical_biases.size(), 4u);
  for (size_t l = 0; l < 4; ++l)
    EXPECT_TRUE(at::equal(again->lexical_biases[l], model_->lexical_biases[l])) << l;
  EXPECT_TRUE(at::equal(logits(again, data_), logits(model_, data_)));
}

TEST_F(LexicalBiasCheckpoint, RunsAtEveryP) {
  for (int64_t p = 0; p <= 4; ++p) {
    Model other = load_checkpoint(folder_.path(), spec_at(folder_.path(), p), at::kFloat);
    const at::NoGradGuard no_grad;
    const Schedule schedule = split_schedule(p, 4);
    EXPECT_TRUE(
        at::equal(logits(other, data_),
                  model_->forward(model_->to_batch(data_, all_of(data_), schedule), {}).values))
        << "P " << p;
  }
}

TEST_F(LexicalBiasCheckpoint, BeginsATrainingThatHasOne) {
  const auto load = [&](const ModelSpec& spec) {
    return load_pretrained(folder_.path(), spec, {}, at::kFloat, /*seed=*/3);
  };
  EXPECT_TRUE(at::equal(load(bert_spec())->lexical_biases[3], model_->lexical_biases[3]));
  ModelSpec without = bert_spec();
  without.lexical_bias = false;
  EXPECT_EQ(error_of([&] { load(without); }),
            folder_.path().string() +
                ": expected model.lexical_bias: true, since the checkpoint has a lexical bias");
  // A pretrained model without one begins with zeros.
  save_checkpoint(bert_.model(without, at::kFloat), folder_.path());
  EXPECT_EQ(load(bert_spec())->lexical_biases[3].abs().max().item<double>(), 0);
}

TEST_F(LexicalBiasCheckpoint, WithoutItsTensorsIsRefused) {
  ModelSpec without = bert_spec();
  without.lexical_bias = false;
  save_checkpoint(bert_.model(without, at::kFloat), folder_.path());
  write_file(folder_ / "lait.yaml", write_spec(bert_spec()));
  EXPECT_THAT(error_of([&] { load_checkpoint(folder_.path(), at::kFloat); }),
              HasSubstr("missing (4): lait.lexical_bias.0, lait.lexical_bias.1"));
}

TEST(LexicalBiasConfig, IsRefusedWhereItMeansNothing) {
  const SmallBert bert;
  const auto problem = [&](const auto& change) {
    Config config;
    config.task = "mnli";
    config.model.lexical_bias = Switch::kOn;
    config.model.independent_layers = 2;
    config.data.num_segments = 2;
    HfConfig hf = bert.config();
    change(config, hf);
    return error_of([&] { resolve_spec(config, hf); });
  };
  EXPECT_EQ(problem([](auto&, auto&) {}), "");
  EXPECT_EQ(problem([](Config& config, auto&) { config.model.independent_layers = 0; }),
            "model.lexical_bias: expected segment_format: standalone, got pair, the stock layout, "
            "which has no such bias; set model.segment_format: standalone, or leave it out");
  EXPECT_EQ(problem([](Config& config, auto&) {
              config.model.independent_layers = 0;
              config.model.segment_format = SegmentFormat::kStandalone;
            }),
            "");
  EXPECT_EQ(problem([](Config& config, auto&) { config.model.independent_layers = 4; }),
            "model.lexical_bias: expected layers in which segments see each other, got 4 × "
            "segment; set fewer model.independent_layers, or leave it out");
  // The one joint layer computes [CLS]'s row alone.
  EXPECT_EQ(problem([](Config& config, auto&) { config.model.independent_layers = 3; }),
            "model.lexical_bias: the one layer in which segments see each other computes the "
            "example's first row alone, which is a special token's and matches nothing; set fewer "
            "model.independent_layers, or leave it out");
  EXPECT_EQ(problem([](Config& config, auto&) {
              config.model.independent_layers = 3;
              config.model.pooling = Pooling::kSegments;
            }),
            "");
  EXPECT_EQ(problem([](Config& config, auto&) { config.output.hf_code = Switch::kOn; }),
            "output.hf_code: modeling_lait.py does not compute model.lexical_bias; leave one of "
            "them out");
  EXPECT_EQ(problem([](auto&, HfConfig& hf) { hf.vocab_size = kernels::kMaxWordTokens + 1; }),
            "model.lexical_bias: expected a vocabulary of at most 524288 tokens, got 524289; leave "
            "it out");
}

}  // namespace
}  // namespace lait
