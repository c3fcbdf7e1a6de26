// What a checkpoint of the optimizer calls its tensors: runs of earlier versions resume.
#include "train/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace lait
