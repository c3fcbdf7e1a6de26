// Runs a family that shares nothing with BERT (tests/model/toy_family.h) through everything that a
// run does: training, estimate, FLOPs, laws, checkpoint, prediction.
#include "tests/model/toy_family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "eval/flops.h"
#include "lait/base/files.h"
#include "lait/predict/predictor.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"
#include "tests/predict/executed.h"
#include "tests/train/tensor_bytes.h"
#include "train/estimate.h"
#include "train/train_step.h"

namespace lait {
namespace {

constexpr int64_t kLayers = 3;

const ToyFamily& toy() {
  static const ToyFamily family;
  static const bool registered = [] {
    register_family(family);
    return true;
  }();
  EXPECT_TRUE(registered);
  return family;
}

class ToyFamilyTest : public testing::Test {
 protected:
  ToyFamilyTest() {
    config_.family = &toy();
    config_.vocab_size = 200;
    config_.hidden_size = 48;
    config_.num_hidden_layers = kLayers;
    config_.num_attention_heads = 2;
    config_.head_dim = 32;
    config_.intermediate_size = 80;
    config_.max_tokens = 1000;
    config_.hidden_dropout_prob = 0;
    spec_.schedule = split_schedule(1, kLayers);
    spec_.pooling = Pooling::kMean;
    spec_.max_segment_tokens = 100;
    spec_.task = "jsonl";
    spec_.labels = {"x", "y", "z"};
  }
  Model model(at::ScalarType dtype = at::kFloat) const {
    Model model(config_, spec_, dtype);
    at::manual_seed(1);
    at::NoGradGuard no_grad;
    for (auto& parameter : model->parameters()) {
      if (parameter.dim() > 1) parameter.normal_(0, 0.2);
    }
    model->refresh_shadows();
    return model;
  }
  // Examples whose label is determined by the first word.
  Dataset dataset(int64_t size) const {
    std::mt19937 random(7);
    std::vector<Example> examples(size);
    for (int64_t i = 0; i < size; ++i) {
      for (int s = 0; s < 2; ++s)
        examples[i].segments.push_back(bert_.random_text(random, 14 + random() % 10));
      examples[i].segments[0] = std::to_string(10 + i % 3) + " " + examples[i].segments[0];
      examples[i].label = ClassLabel{i % 3};
    }
    return bert_tokens(examples);
  }
  Dataset bert_tokens(const std::vector<Example>& examples) const {
    const IdTokenizer tokenizer(200);
    return Dataset(examples, tokenizer, spec_.tokenize_options(config_, tokenizer));
  }
  static std::vector<int64_t> all(int64_t size) {
    std::vector<int64_t> indices(size);
    std::iota(indices.begin(), indices.end(), 0);
    return indices;
  }

  const SmallBert bert_;
  HfConfig config_;
  ModelSpec spec_;
};

TEST_F(ToyFamilyTest, Trains) {
  Model model = this->model();
  const Dataset data = dataset(24);
  TrainingConfig training;
  training.learning_rate = 0.01;
  TrainStep step(model, training, 60);
  double first = 0, last = 0;
  for (int64_t s = 0; s < 60; ++s) {
    std::vector<DeviceBatch> batches;
    batches.push_back(model->to_batch(data, all(24), spec_.schedule));
    last = step.run(batches, s).item<double>();
    if (s == 0) first = last;
  }
  EXPECT_LT(last, 0.2 * first);
}

TEST_F(ToyFamilyTest, FlopsAreWhatTheOperatorsExecute) {
  Model model = this->model();
  std::mt19937 random(3);
  std::vector<Example> examples(16);
  for (Example& example : examples)
    example.segments = {bert_.random_text(random, 14), bert_.random_text(random, 30)};
  const Dataset data = bert_tokens(examples);
  for (int64_t p = 0; p <= kLayers; ++p) {
    const Schedule schedule = split_schedule(p, kLayers);
    const Executed executed = count_executed([&] { run_model(model, data, schedule); });
    const Flops flops =
        mean_flops(data, model->pack_plan(schedule), toy().costs(config_).layer).lait;
    const double head = 2.0 * 16 * static_cast<double>(model->head->output_weight().numel());
    EXPECT_EQ(executed.attention, 16 * flops.score_context) << "P " << p;
    EXPECT_EQ(executed.linear - head, 16 * (flops.encoder - flops.score_context)) << "P " << p;
  }
}

TEST_F(ToyFamilyTest, EstimateIsWhatForwardLeaves) {
  const Model model = this->model();
  const Dataset data = dataset(32);
  TrainingConfig training;
  training.batch_size = 32;
  Model trained = model;
  const DeviceBatch batch = model->to_batch(data, all(32), spec_.schedule);
  const auto loss = [&] {
    return trained->loss(trained->forward(batch, {.training = true}), batch, training);
  };
  loss();
  const TensorBytes bytes;
  const at::Tensor kept = loss();
  const auto estimated = static_cast<double>(estimate_memory(model, data, training).activations);
  EXPECT_NEAR(estimated / static_cast<double>(bytes.live()), 1, 0.1)
      << "left " << bytes.live() << " bytes, estimated " << estimated;
}

TEST_F(ToyFamilyTest, BatchCompositionChangesNoBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    at::NoGradGuard no_grad;
    Model model = this->model(dtype);
    const Dataset data = dataset(8);
    for (int64_t p = 0; p <= kLayers; ++p) {
      const Schedule schedule = split_schedule(p, kLayers);
      const at::Tensor whole = model->forward(model->to_batch(data, all(8), schedule), {}).values;
      for (int64_t i = 0; i < 8; ++i) {
        const std::vector<int64_t> one{i};
        EXPECT_TRUE(
            at::equal(model->forward(model->to_batch(data, one, schedule), {}).values[0], whole[i]))
            << "P " << p << ", example " << i;
      }
    }
  }
}

TEST_F(ToyFamilyTest, LayoutIsItsOwn) {
  spec_.schedule = split_schedule(0, kLayers);
  spec_.format = SegmentFormat::kPair;
  std::vector<Example> examples(1);
  examples[0].segments = {"20 21", "30"};
  const IdTokenizer tokenizer(200);
  TokenizeOptions options = spec_.tokenize_options(config_, tokenizer);
  options.prompts = {{0, "50 "}, {1, "60 "}};
  const Dataset data(examples, tokenizer, options);
  const int32_t mask = tokenizer.special_tokens().mask, sep = tokenizer.special_tokens().sep;
  const auto tokens = data.tokens(0);
  EXPECT_THAT(std::vector<int32_t>(tokens.begin(), tokens.end()),
              testing::ElementsAre(50, 20, 21, mask, 60, 30, sep, sep));
  EXPECT_EQ(data.first_segment_length(0), 3) << "all of `between` counts to the second segment";
}

TEST_F(ToyFamilyTest, CheckpointPredictsAsTheModel) {
  TemporaryFolder folder;
  const Model model = this->model();
  // The vocabulary of the tiny checkpoint, overwritten with the files of this model.
  write_checkpoint(folder / "c");
  // Not a class of tokenizers: its layout is BERT's.
  write_file(folder / "c/tokenizer_config.json", R"({"do_lower_case": true})");
  save_checkpoint(model, folder / "c");
  Predictor predictor = Predictor::load(folder / "c", Precision::kFp32, DeviceKind::kCpu);
  EXPECT_EQ(predictor.model()->config.family, &toy());
  std::vector<Example> examples(2);
  examples[0].segments = {"am bn co", "dp"};
  examples[1].segments = {"am", "bn"};
  Model same = this->model();
  const Outputs expected = *run_model(same, predictor.tokenize(examples), spec_.schedule);
  EXPECT_TRUE(at::equal(predictor.outputs(examples)->values, expected.values));
  EXPECT_EQ(predictor.predict({"am", "bn"}).label, same->head->predict(expected)[1].label);
}

}  // namespace
}  // namespace lait
