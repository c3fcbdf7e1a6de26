// training.freeze and training.layer_decay: what is updated, by how much, and what a frozen part
// costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "lait/base/error.h"
#include "lait/model/frozen.h"
#include "tests/base/error_of.h"
#include "tests/model/small_bert.h"
#include "tests/train/tensor_bytes.h"
#include "train/estimate.h"
#include "train/learning_rate.h"
#include "train/train_step.h"

namespace lait {
namespace {

using testing::HasSubstr;

constexpr int64_t kLayers = 4;

class Freeze : public testing::Test {
 protected:
  SmallBert bert_{{.layers = kLayers, .dropout = 0.1}};
  ModelSpec spec_ = bert_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  Dataset dataset_ = bert_.dataset(spec_, examples());

  std::vector<Example> examples() {
    std::mt19937 random(3);
    std::vector<Example> out(8);
    for (Example& example : out) {
      for (int s = 0; s < 2; ++s) example.segments.push_back(bert_.random_text(random, 12));
      example.label = ClassLabel{static_cast<int64_t>(random() % 3)};
    }
    return out;
  }
  DeviceBatch batch(const Model& model) {
    return model->to_batch(dataset_, std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7}, spec_.schedule);
  }
  Model model(const NameList& list) {
    Model out = bert_.model(spec_, at::kFloat);
    out->freeze(resolve_frozen(list, spec_.schedule, kLayers));
    return out;
  }
  // The names of the parameters that three steps changed.
  std::map<std::string, bool> changed(Model model) {
    std::map<std::string, at::Tensor> before;
    for (const ModelParameter& p : model->parameter_list())
      before[p.name] = p.tensor.detach().clone();
    TrainingConfig config;
    config.learning_rate = 1e-2;
    config.warmup = 0;
    TrainStep step(model, config, 3);
    for (int64_t s = 0; s < 3; ++s) {
      const DeviceBatch batch = this->batch(model);
      step.run(std::span(&batch, 1), s);
    }
    std::map<std::string, bool> out;
    for (const ModelParameter& p : model->parameter_list())
      out[p.name] = !at::equal(p.tensor, before.at(p.name));
    return out;
  }
};

TEST_F(Freeze, LeavesTheNamedPartsAsTheyAre) {
  const auto all = changed(model({}));
  for (const auto& [name, changes] : all) EXPECT_TRUE(changes) << name;
  for (const auto& [name, changes] : changed(model({"layers 0-1", "layer 3"}))) {
    const bool frozen = name.find("layer.0.") != name.npos || name.find("layer.1.") != name.npos ||
                        name.find("layer.3.") != name.npos;
    EXPECT_EQ(changes, !frozen) << name;
  }
  for (const auto& [name, changes] : changed(model({"independent"}))) {
    const bool frozen = name.find("layer.0.") != name.npos || name.find("layer.1.") != name.npos ||
                        name.find("embeddings.") != name.npos;
    EXPECT_EQ(changes, !frozen) << name;
  }
}

// The trained parts get the gradients that they would get beside parts that are trained too.
TEST_F(Freeze, ChangesNoGradientOfOtherParts) {
  const auto gradients = [&](const NameList& list) {
    SmallBert bert({.layers = kLayers, .dropout = 0});
    Model model = bert.model(spec_, at::kFloat);
    model->freeze(resolve_frozen(list, spec_.schedule, kLayers));
    const DeviceBatch batch = this->batch(model);
    model->loss(model->forward(batch, {.training = true}), batch, {}).backward();
    std::map<std::string, at::Tensor> out;
    for (const ModelParameter& p : model->parameter_list()) {
      if (p.tensor.requires_grad()) out[p.name] = p.tensor.grad();
    }
    return out;
  };
  const auto all = gradients({});
  for (const NameList& list : {NameList{"independent"}, NameList{"layer 2"}}) {
    const auto some = gradients(list);
    EXPECT_LT(some.size(), all.size());
    for (const auto& [name, gradient] : some)
      EXPECT_TRUE(at::equal(gradient, all.at(name))) << name;
  }
}

TEST_F(Freeze, TurnsDropoutOffInTheFrozenParts) {
  Model model = this->model({"independent"});
  const DeviceBatch batch = this->batch(model);
  const auto entering = [&](const Randomness& randomness) {
    at::Tensor out;
    const RunHooks hooks{.on_states = [&](const Step& step, const at::Tensor& states) {
      if (step.layer == 1) out = states.detach().clone();
    }};
    model->encoder->forward(batch, randomness, hooks);
    return out;
  };
  const Randomness training{.training = true, .seed = 1, .step = 0};
  EXPECT_TRUE(at::equal(entering(training), entering({})));
  model->freeze({});
  EXPECT_FALSE(at::equal(entering(training), entering({})));
}

// What is below the lowest part that is trained saves nothing for backward and has no moments.
TEST_F(Freeze, CostsNoBackwardAndNoMoments) {
  const SmallBert bert({.layers = kLayers, .hidden = 256, .heads = 8, .intermediate = 1024});
  // Reads no means of frozen layers, for which the head would save less than the estimate says.
  spec_.pooling = Pooling::kCls;
  TrainingConfig config;
  config.batch_size = 8;
  int64_t saved_before = 0;
  for (const NameList& list : {NameList{}, NameList{"embeddings", "layers 0-2"}}) {
    Model model = bert.model(spec_, at::kFloat);
    model->freeze(resolve_frozen(list, spec_.schedule, kLayers));
    const DeviceBatch batch = this->batch(model);
    const auto loss = [&] {
      return model->loss(model->forward(batch, {.training = true}), batch, {});
    };
    loss();  // allocates what is allocated once
    const TensorBytes bytes;
    const at::Tensor kept = loss();
    const MemoryEstimate estimate = estimate_memory(model, dataset_, config);
    // Of one layer, the matrices of the few rows that the head reads are 1 or 2 % each.
    EXPECT_NEAR(static_cast<double>(estimate.activations) / static_cast<double>(bytes.live()), 1,
                0.05);
    if (!list.empty()) {
      EXPECT_LT(bytes.live(), saved_before / 3);
    }
    saved_before = bytes.live();
    int64_t kept_by_optimizer = 0;
    for (const auto& [name, tensor] : Optimizer(model, config, 1).state()) {
      kept_by_optimizer += static_cast<int64_t>(tensor.nbytes());
      if (!list.empty()) {
        EXPECT_EQ(name.find("layer.2."), name.npos) << name;
      }
    }
    EXPECT_EQ(kept_by_optimizer, estimate.optimizer);
  }
}

TEST(ResolveFrozen, NamesWhatIsWrong) {
  const Schedule schedule = split_schedule(2, kLayers);
  const auto error = [&](const std::string& part) {
    return error_of([&] { resolve_frozen({part}, schedule, kLayers); });
  };
  for (const char* part : {"embeddings", "independent", "layer 3", "layers 0-3", "layers 1-1"})
    EXPECT_EQ(error(part), "") << part;
  for (const char* part : {"layer 4", "layers 2-4", "layers 3-1", "layer -1", "layers", "head"}) {
    EXPECT_EQ(error(part),
              "training.freeze: expected embeddings, independent, layer N or layers A-B (0 to 3), "
              "got '" +
                  std::string(part) + "'");
  }
  EXPECT_THAT(error_of([&] { resolve_frozen({"independent"}, split_schedule(0, 4), 4); }),
              HasSubstr("expected independent layers, got none"));
}

// timm's and BEiT's rule: the head 1, the top layer the decay, the embeddings one power more than
// the first layer.
TEST(LayerDecay, LowersTheRateByLayer) {
  const SmallBert bert({.layers = kLayers});
  const Model model =
      bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat);
  TrainingConfig config;
  config.head_learning_rate_factor = 10;
  config.layer_decay = 0.5;
  std::map<std::string, double> shares;
  for (const ModelParameter& parameter : model->parameter_list())
    shares[parameter.name] = learning_rate_share(config, parameter, *model);
  EXPECT_EQ(shares.at("bert.embeddings.word_embeddings.weight"), std::pow(0.5, 5));
  EXPECT_EQ(shares.at("bert.encoder.layer.0.attention.self.qkv.bias"), std::pow(0.5, 4));
  EXPECT_EQ(shares.at("bert.encoder.layer.3.output.LayerNorm.weight"), 0.5);
  EXPECT_EQ(shares.at("bert.pooler.dense.weight"), 1);
  EXPECT_EQ(shares.at("classifier.weight"), 10);
}

// AdamW's first step moves a weight by its learning rate (without decay), so the ratio of the moves
// is that of the rates.
TEST(LayerDecay, IsAppliedByTheOptimizer) {
  const SmallBert bert({.layers = kLayers});
  Model model = bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat);
  TrainingConfig config;
  config.learning_rate = 1e-3;
  config.layer_decay = 0.5;
  config.weight_decay = 0;
  config.warmup = 0;
  Optimizer optimizer(model, config, 1);
  std::map<std::string, at::Tensor> before;
  for (const ModelParameter& p : model->parameter_list()) {
    before[p.name] = p.tensor.detach().clone();
    p.tensor.mutable_grad() = at::ones_like(p.tensor);
  }
  optimizer.step(0);
  for (const ModelParameter& p : model->parameter_list()) {
    const double moved =
        (before.at(p.name) - p.tensor.detach()).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(moved / (1e-3 * learning_rate_share(config, p, *model)), 1, 1e-2) << p.name;
  }
}

}  // namespace
}  // namespace lait
