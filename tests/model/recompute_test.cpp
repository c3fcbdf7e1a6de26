// training.recompute: the same gradients to the bit, whatever is shared, frozen or dropped.
#include "lait/model/recompute.h"

#include <gtest/gtest.h>

#include "tests/model/small_bert.h"

namespace lait {
namespace {

struct RecomputeCase {
  const char* family;
  int64_t independent_layers;
  at::ScalarType dtype;
  SegmentFormat format;
  Pooling pooling;
  bool one_sided = false;
  bool lexical_bias = false;
};

class Recompute : public testing::TestWithParam<RecomputeCase> {
 protected:
  struct Result {
    at::Tensor loss;
    std::vector<std::pair<std::string, at::Tensor>> gradients;
  };
  // Of two micro-batches, the gradients added up.
  Result run(bool recompute, const FrozenParts& frozen) {
    const auto& [family, independent_layers, dtype, format, pooling, one_sided, lexical_bias] =
        GetParam();
    const SmallBert bert({.dropout = 0.1, .family = family});
    ModelSpec spec = bert.spec(independent_layers, format, pooling);
    if (one_sided) spec.schedule.back().updates = Updates::kFirst;
    spec.lexical_bias = lexical_bias;
    const Dataset dataset = bert.dataset(spec, bert.random_examples(5, 12));
    Model model = bert.model(spec, dtype);
    model->freeze(frozen);
    model->encoder->set_recompute(recompute);
    Result result;
    for (const std::vector<int64_t>& examples :
         {std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}, std::vector<int64_t>{7, 8, 9, 10, 11}}) {
      const DeviceBatch batch = model->to_batch(dataset, examples, spec.schedule);
      result.loss =
          model->loss(model->forward(batch, {.training = true, .seed = 7, .step = 3}), batch, {});
      result.loss.backward();
    }
    for (const ModelParameter& parameter : model->parameter_list())
      result.gradients.emplace_back(parameter.name, parameter.tensor.grad());
    return result;
  }
  void expect_equal(const FrozenParts& frozen) {
    const Result kept = run(false, frozen), again = run(true, frozen);
    EXPECT_TRUE(at::equal(kept.loss, again.loss));
    size_t defined = 0;
    for (size_t i = 0; i < kept.gradients.size(); ++i) {
      const auto& [name, gradient] = kept.gradients[i];
      ASSERT_EQ(gradient.defined(), again.gradients[i].second.defined()) << name;
      if (!gradient.defined()) continue;
      ++defined;
      EXPECT_TRUE(at::equal(gradient, again.gradients[i].second)) << name;
    }
    EXPECT_GT(defined, 4u);
  }
};

TEST_P(Recompute, GivesTheSameBits) { expect_equal({}); }

TEST_P(Recompute, OfAModelThatIsPartlyFrozenToo) {
  expect_equal({.embeddings = true, .layers = {true, true, false, false}});
  expect_equal({.layers = {false, true, false, true}});
}

INSTANTIATE_TEST_SUITE_P(
    All, Recompute,
    testing::Values(
        RecomputeCase{"bert", 2, at::kFloat, SegmentFormat::kStandalone, Pooling::kClsSegments},
        RecomputeCase{"bert", 4, at::kFloat, SegmentFormat::kStandalone, Pooling::kSegments},
        RecomputeCase{"bert", 0, at::kFloat, SegmentFormat::kPair, Pooling::kCls},
        RecomputeCase{"bert", 2, at::kBFloat16, SegmentFormat::kStandalone, Pooling::kMean},
        // Layers share a table.
        RecomputeCase{"mpnet", 2, at::kFloat, SegmentFormat::kStandalone, Pooling::kClsSegments},
        RecomputeCase{"mpnet", 0, at::kBFloat16, SegmentFormat::kPair, Pooling::kMean},
        RecomputeCase{"bert", 1, at::kFloat, SegmentFormat::kStandalone, Pooling::kClsSegments,
                      true},
        RecomputeCase{"mpnet", 2, at::kBFloat16, SegmentFormat::kStandalone, Pooling::kClsSegments,
                      true},
        RecomputeCase{"mpnet", 2, at::kFloat, SegmentFormat::kStandalone, Pooling::kClsSegments,
                      false, true},
        RecomputeCase{"bert", 1, at::kBFloat16, SegmentFormat::kStandalone, Pooling::kClsSegments,
                      true, true}),
    [](const auto& info) {
      return std::string(info.param.family) + std::to_string(info.param.independent_layers) +
             (info.param.dtype == at::kFloat ? "fp32" : "bf16") + std::to_string(info.index);
    });

}  // namespace
}  // namespace lait
