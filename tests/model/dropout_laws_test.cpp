// The laws of counter-based dropout in training mode. A mask depends only on what is dropped, so
// sharing segments, reading fewer rows, and the batch's composition and order change no bit of the
// logits. Gradients agree up to the order of their sums.
#include <gtest/gtest.h>

#include <numeric>

#include "lait/model/lora.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

constexpr SmallBertOptions kShape = {.layers = 4,
                                     .hidden = 128,
                                     .heads = 4,
                                     .intermediate = 256,
                                     .vocab = 300,
                                     .positions = 256,
                                     .dropout = 0.1};
constexpr int64_t kExamples = 8;

struct Pass {
  at::Tensor logits;
  std::vector<std::pair<std::string, at::Tensor>> gradients;
};

Pass run(Model& model, const Dataset& dataset, const std::vector<int64_t>& indices,
         const Randomness& randomness, const Packing& packing = {}) {
  const DeviceBatch batch = batch_of(model, dataset, indices, packing);
  model->zero_grad();
  const Outputs outputs = model->forward(batch, randomness);
  model->loss(outputs, batch, TrainingConfig{}).backward();
  Pass out{outputs.values.detach(), {}};
  for (const auto& named : model->named_parameters()) {
    if (named.value().grad().defined())
      out.gradients.emplace_back(named.key(), named.value().grad().clone());
  }
  return out;
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / (b.norm() + 1e-12)).item<double>();
}

// The largest difference between gradients with the same masks. With other masks they differ by
// about 0.1 and more (checked below).
double tolerance(at::ScalarType dtype) { return dtype == at::kFloat ? 1e-5 : 0.03; }

constexpr double kBf16GradientTolerance = 0.05;

struct DropoutCase {
  const char* name;
  Schedule schedule;
  Pooling pooling;
  // With dropout of their own.
  bool adapters = false;
};

class DropoutLawsTest : public testing::TestWithParam<std::tuple<DropoutCase, at::ScalarType>> {
 protected:
  void SetUp() override {
    const auto& [c, dtype] = GetParam();
    const ModelSpec spec = small_.spec(c.schedule, SegmentFormat::kStandalone, c.pooling);
    model_ = small_.model(spec, dtype);
    if (c.adapters) {
      add_lora(model_, {.rank = 8, .dropout = 0.1, .targets = {"query", "key", "value", "dense"}});
      for (const ModelParameter& p : lora_parameters(*model_)) {
        if (p.name.ends_with("lora_B.weight")) fill_normal(p.tensor, 5, 0.05);
      }
    }
    dataset_ = std::make_unique<Dataset>(
        small_.dataset(spec, small_.random_examples(/*seed=*/3, kExamples)));
    std::iota(all_.begin(), all_.end(), 0);
  }

  // Gradients that are zero except for rounding (a key's bias changes no softmax) have no relative
  // difference: ignore what is less than a millionth of the largest.
  void expect_close(const Pass& a, const Pass& b) {
    double worst = 0;
    ASSERT_EQ(a.gradients.size(), b.gradients.size());
    double largest = 0;
    for (const auto& [name, gradient] : b.gradients)
      largest = std::max(largest, gradient.norm().item<double>());
    for (size_t i = 0; i < a.gradients.size(); ++i) {
      const auto& [name, gradient] = b.gradients[i];
      ASSERT_TRUE(at::isfinite(gradient).all().item<bool>()) << name;
      if (gradient.norm().item<double>() < 1e-6 * largest) continue;
      const double off = relative_difference(a.gradients[i].second, gradient);
      EXPECT_LE(off, tolerance(std::get<1>(GetParam()))) << name;
      worst = std::max(worst, off);
    }
    RecordProperty("worst", std::to_string(worst));
  }

  SmallBert small_{kShape};
  Model model_{nullptr};
  std::unique_ptr<Dataset> dataset_;
  std::vector<int64_t> all_ = std::vector<int64_t>(kExamples);
  Randomness randomness_{.training = true, .seed = 0x123456789abcdefull, .step = 17};
};

TEST_P(DropoutLawsTest, SharingEqualsNotSharing) {
  const Pass shared = run(model_, *dataset_, all_, randomness_, {.share = true}),
             apart = run(model_, *dataset_, all_, randomness_, {.share = false});
  EXPECT_TRUE(at::equal(shared.logits, apart.logits)) << (shared.logits - apart.logits).abs().max();
  expect_close(shared, apart);
}

TEST_P(DropoutLawsTest, ReadingFewerRowsEqualsAll) {
  const Pass few = run(model_, *dataset_, all_, randomness_, {.prune = true}),
             all = run(model_, *dataset_, all_, randomness_, {.prune = false});
  EXPECT_TRUE(at::equal(few.logits, all.logits)) << (few.logits - all.logits).abs().max();
  expect_close(few, all);
}

TEST_P(DropoutLawsTest, BatchCompositionAndOrderChangeNoBit) {
  const Pass whole = run(model_, *dataset_, all_, randomness_);
  const std::vector<int64_t> other = {6, 1, 3};
  EXPECT_TRUE(at::equal(run(model_, *dataset_, other, randomness_).logits,
                        whole.logits.index_select(0, at::tensor(other))));
  for (int64_t i : all_)
    EXPECT_TRUE(at::equal(run(model_, *dataset_, {i}, randomness_).logits[0], whole.logits[i]))
        << "example " << i << " alone";
}

TEST_P(DropoutLawsTest, MicroBatchesGiveTheSameGradients) {
  const Pass whole = run(model_, *dataset_, all_, randomness_);
  Pass sum = run(model_, *dataset_, {0, 1, 2, 3}, randomness_);
  const Pass second = run(model_, *dataset_, {4, 5, 6, 7}, randomness_);
  for (size_t i = 0; i < sum.gradients.size(); ++i)
    sum.gradients[i].second.add_(second.gradients[i].second).div_(2);
  expect_close(sum, whole);
}

TEST_P(DropoutLawsTest, StepAndSeedChangeTheMask) {
  const Pass here = run(model_, *dataset_, all_, randomness_);
  EXPECT_TRUE(at::equal(run(model_, *dataset_, all_, randomness_).logits, here.logits))
      << "the same step twice";
  Randomness next = randomness_, seeded = randomness_, off = randomness_;
  next.step += 1;
  seeded.seed ^= uint64_t{1} << 40;
  off.training = false;
  for (const Randomness& changed : {next, seeded, off}) {
    const Pass other = run(model_, *dataset_, all_, changed);
    EXPECT_GT((other.logits - here.logits).abs().max().item<double>(), 1e-2);
    double largest = 0;
    for (size_t i = 0; i < here.gradients.size(); ++i) {
      largest = std::max(largest,
                         relative_difference(other.gradients[i].second, here.gradients[i].second));
    }
    EXPECT_GT(largest, 3 * tolerance(std::get<1>(GetParam())));
  }
}

// Every leaf's gradient in bf16 equals fp32's up to the rounding of activations. Sums over rows
// (norms and biases have one each) must be in float, or they stagnate with thousands of rows.
TEST(Bf16Gradients, AreNearFp32s) {
  constexpr int64_t kMany = 48;
  SmallBert small(kShape);
  const ModelSpec spec = small.spec(2, SegmentFormat::kStandalone, Pooling::kMean);
  const Dataset dataset = small.dataset(spec, small.random_examples(/*seed=*/9, kMany));
  std::vector<int64_t> all(kMany);
  std::iota(all.begin(), all.end(), 0);
  Model exact = small.model(spec, at::kFloat), rounded = small.model(spec, at::kBFloat16);
  const Randomness randomness{.training = true, .seed = 5, .step = 1};
  const Pass a = run(rounded, dataset, all, randomness), b = run(exact, dataset, all, randomness);
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  std::string worst;
  double largest = 0;
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    const auto& [name, gradient] = b.gradients[i];
    const double off = relative_difference(a.gradients[i].second, gradient);
    EXPECT_LE(off, kBf16GradientTolerance) << name;
    if (off > largest) {
      largest = off;
      worst = name;
    }
  }
  RecordProperty("worst", worst + " " + std::to_string(largest));
}

std::vector<DropoutCase> dropout_cases() {
  using enum Scope;
  return {{"p0", {{4, kExample}}, Pooling::kClsSegments},
          {"p2", {{2, kSegment}, {2, kExample}}, Pooling::kClsSegments},
          {"p3_cls", {{3, kSegment}, {1, kExample}}, Pooling::kCls},
          {"p4", {{4, kSegment}}, Pooling::kSegments},
          {"p3_adapters", {{3, kSegment}, {1, kExample}}, Pooling::kClsSegments, true},
          {"groups", {{1, kSegment}, {2, kGroup}, {1, kExample}}, Pooling::kClsSegments},
          {"one_sided", {{1, kSegment}, {3, kExample, Updates::kFirst}}, Pooling::kClsSegments},
          {"one_sided_adapters",
           {{2, kSegment}, {2, kExample, Updates::kFirst}},
           Pooling::kClsSegments,
           true}};
}

INSTANTIATE_TEST_SUITE_P(Schedules, DropoutLawsTest,
                         testing::Combine(testing::ValuesIn(dropout_cases()),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == at::kFloat ? "_fp32" : "_bf16");
                         });

}  // namespace
}  // namespace lait
