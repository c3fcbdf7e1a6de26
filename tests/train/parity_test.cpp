// Ten training steps against the same loop in plain PyTorch (tests/oracles/train_parity.py):
// dropout 0, fp32, AdamW without decay on biases and norms, two learning rates, linear warm-up and
// decay, clipping; one case learns a teacher's logits, too (train/distillation.h). Losses agree
// within 1e-4 relative. Loops that break one rule of the recipe differ by more, so the tolerance
// detects each rule.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lait/data/dataset.h"
#include "lait/data/packing.h"
#include "lait/model/checkpoint.h"
#include "lait/text/tokenizer.h"
#include "tests/oracles/oracle.h"
#include "train/distillation.h"
#include "train/train_step.h"

namespace lait {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-4;
constexpr int64_t kLayers = 6;

TrainingConfig training_config(const json& t) {
  TrainingConfig config;
  config.steps = t.at("steps");
  config.batch_size = t.at("batch_size");
  config.learning_rate = t.at("learning_rate");
  config.head_learning_rate_factor = t.at("head_learning_rate_factor");
  config.weight_decay = t.at("weight_decay");
  config.beta1 = t.at("beta1");
  config.beta2 = t.at("beta2");
  config.epsilon = t.at("epsilon");
  config.warmup = t.at("warmup");
  config.max_grad_norm = t.at("max_grad_norm");
  config.lexical_bias_learning_rate = t.at("lexical_bias_learning_rate");
  return config;
}

double largest_relative(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (size_t i = 0; i < b.size(); ++i) worst = std::max(worst, std::abs(a.at(i) - b[i]) / b[i]);
  return worst;
}

// The losses of our ten steps. Each batch is split into `micro_batches` parts (gradient
// accumulation).
std::vector<double> our_losses(const std::filesystem::path& dir,
                               const std::filesystem::path& model_dir, const json& c,
                               TrainingConfig config, int64_t micro_batches) {
  ModelSpec spec;
  const int64_t p = c.at("independent_layers");
  spec.schedule = split_schedule(p, kLayers);
  if (c.at("one_sided")) spec.schedule.back().updates = Updates::kFirst;
  spec.task = "jsonl";
  spec.format = c.at("format") == "pair" ? SegmentFormat::kPair : SegmentFormat::kStandalone;
  const std::string pooling = c.at("pooling");
  spec.pooling = pooling == "cls" ? Pooling::kCls : Pooling::kClsSegments;
  spec.max_segment_tokens = 512;
  spec.labels = {"0", "1", "2"};
  spec.lexical_bias = c.at("lexical_bias");
  ModelConfig overrides;
  overrides.hidden_dropout = overrides.attention_dropout = overrides.classifier_dropout = 0;
  Model model = load_pretrained(model_dir, spec, overrides, at::kFloat, /*seed=*/1);
  const auto head = oracle::read_tensors(dir / "parity.safetensors");
  {
    at::NoGradGuard no_grad;
    for (auto& named : model->head->named_parameters()) {
      // The oracle has "head.cls.weight" of the output layer and "head.cls.dense.weight" of the
      // layer below it. BERT's is the pretrained pooler.
      const std::string name =
          named.key().starts_with("output.") ? named.key().substr(7) : named.key();
      const auto found = head.find("head." + pooling + "." + name);
      if (found != head.end()) named.value().copy_(found->second);
    }
    for (size_t l = 0; l < model->lexical_biases.size(); ++l)
      model->lexical_biases[l].copy_(head.at("lexical_bias")[static_cast<int64_t>(l)]);
    model->refresh_shadows();
  }
  std::vector<Example> examples;
  for (const json& e : c.at("examples")) {
    Example& example = examples.emplace_back();
    e.at("segments").get_to(example.segments);
    const bool is_labelled =
        c.at("teacher").is_null() ||
        std::ssize(examples) <= c.at("teacher").at("num_labelled").get<int64_t>();
    if (is_labelled) example.label = ClassLabel{e.at("label").get<int64_t>()};
  }
  const auto tokenizer = load_tokenizer(model_dir);
  const Dataset dataset(examples, *tokenizer, spec.tokenize_options(model->config, *tokenizer));
  std::optional<Distillation> distillation;
  if (const json& t = c.at("teacher"); !t.is_null()) {
    config.distill.temperature = t.at("temperature");
    std::vector<at::Tensor> rows;
    for (const json& row : t.at("logits"))
      rows.push_back(at::tensor(row.get<std::vector<double>>(), at::kFloat));
    distillation.emplace(dataset, *model->head, Outputs{at::stack(rows)}, t.at("num_labelled"),
                         t.at("weight"), /*id=*/1);
  }
  TrainStep train(model, config, *config.steps);
  std::vector<double> losses;
  for (const json& batch : c.at("batches")) {
    const std::vector<int64_t> indices = batch;
    std::vector<DeviceBatch> parts;
    std::vector<double> shares;
    const int64_t size = static_cast<int64_t>(indices.size()) / micro_batches;
    for (int64_t m = 0; m < micro_batches; ++m) {
      std::vector<int64_t> part(indices.begin() + m * size, indices.begin() + (m + 1) * size);
      if (distillation) distillation->sort(part);
      parts.push_back(model->to_batch(dataset, part, spec.schedule));
      if (distillation) distillation->add_to(parts.back(), part);
      shares.push_back(1 / static_cast<double>(micro_batches));
    }
    losses.push_back(train.run(parts, shares, static_cast<int64_t>(losses.size())).item<double>());
  }
  return losses;
}

class TrainParityTest : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(TrainParityTest, TenStepsLoseAsInPyTorch) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const auto& [model, name] = GetParam();
  const std::filesystem::path dir = oracle::outputs("train", model),
                              model_dir = oracle::model_folder(model);
  const json cases = oracle::read_json(dir / "cases.json");
  const TrainingConfig config = training_config(cases.at("training"));
  bool found = false;
  for (const json& c : cases.at("cases")) {
    if (c.at("name") != name) continue;
    found = true;
    const std::vector<double> expected = c.at("losses");
    ASSERT_EQ(expected.size(), 10u);
    const std::vector<double> ours = our_losses(dir, model_dir, c, config, /*micro_batches=*/1);
    ASSERT_EQ(ours.size(), expected.size());
    const double off = largest_relative(ours, expected);
    RecordProperty("largest_relative", std::to_string(off));
    EXPECT_LE(off, kTolerance) << "ours " << testing::PrintToString(ours) << "\nPyTorch's "
                               << testing::PrintToString(expected);
    EXPECT_LE(
        largest_relative(our_losses(dir, model_dir, c, config, /*micro_batches=*/2), expected),
        kTolerance)
        << "accumulated over two micro-batches";
    for (const auto& [rule, losses] : c.at("mutants").items()) {
      EXPECT_GT(largest_relative(losses.get<std::vector<double>>(), ours), 3 * kTolerance)
          << "the tolerance does not see the broken rule " << rule;
    }
  }
  EXPECT_TRUE(found) << "cases.json has no case " << name;
}

INSTANTIATE_TEST_SUITE_P(
    Models, TrainParityTest,
    testing::Combine(testing::Values("minilm", "random_mpnet", "random_roberta"),
                     testing::Values("stock", "split3", "one_sided3", "lexical3",
                                     "lexical_one_sided3", "distilled3")),
    [](const auto& info) {
      return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
    });

}  // namespace
}  // namespace lait
