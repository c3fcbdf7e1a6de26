// What a checkpoint of the optimizer calls its tensors: runs of earlier versions resume. What a
// step without a finite gradient changes: nothing.
#include "train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/small_bert.h"

namespace lait {
namespace {

TEST(Optimizer, NamesItsMomentsAsCheckpointsNameParameters) {
  const SmallBert bert;
  const Model model =
      bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : Optimizer(model, {}, 1).state()) names.push_back(name);
  EXPECT_THAT(names, testing::IsSupersetOf({
                         "exp_avg.bert.embeddings.word_embeddings.weight",
                         "exp_avg_sq.bert.encoder.layer.3.attention.self.qkv.bias",
                         "updates.bert.encoder.layer.0.attention.output.LayerNorm.weight",
                         "exp_avg.bert.pooler.dense.weight",
                         "exp_avg.classifier.weight",
                     }));
}

// As if it had not been: the weights after it are those of a run without it, to the bit.
TEST(Optimizer, AGradientThatIsNotFiniteChangesNothing) {
  const SmallBert bert;
  TrainingConfig config;
  config.schedule = LearningRateSchedule::kConstant;
  config.warmup = 0;
  const auto weights_after = [&](const std::vector<double>& gradients) {
    const Model model =
        bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat);
    Optimizer optimizer(model, config, 10);
    for (const double gradient : gradients) {
      bool first = true;
      for (const ModelParameter& parameter : model->parameter_list()) {
        at::Tensor weight = parameter.tensor;
        weight.mutable_grad() = at::full_like(weight.detach(), first ? gradient : 0.25);
        first = false;
      }
      optimizer.step(1);
    }
    std::vector<at::Tensor> all;
    for (const auto& [name, tensor] : optimizer.state()) all.push_back(tensor);
    for (const ModelParameter& parameter : model->parameter_list())
      all.push_back(parameter.tensor.detach());
    return all;
  };
  const auto without = weights_after({0.5, -1});
  for (const double bad : std::vector<double>{NAN, HUGE_VAL, -HUGE_VAL}) {
    const auto with = weights_after({0.5, bad, -1});
    ASSERT_EQ(with.size(), without.size());
    for (size_t i = 0; i < with.size(); ++i)
      EXPECT_TRUE(at::equal(with[i], without[i])) << bad << ", tensor " << i;
  }
}

}  // namespace
}  // namespace lait
