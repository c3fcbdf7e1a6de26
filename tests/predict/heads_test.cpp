// What heads take and return besides one row of logits: soft labels, labels of another kind,
// outputs with several rows per example, and the ids that metrics group by.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/metrics.h"
#include "lait/predict/predictor.h"
#include "tests/base/error_of.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

class HeadsTest : public testing::Test {
 protected:
  const SmallBert small_;
  const ModelSpec spec_ = small_.spec(2, SegmentFormat::kStandalone, Pooling::kMean);
  Model model_ = small_.model(spec_, at::kFloat);
};

TEST_F(HeadsTest, SoftLabelsAreCrossEntropyAgainstProbabilities) {
  const std::vector<Label> hard{ClassLabel{2}, ClassLabel{0}},
      soft{SoftLabel{{0, 0, 1}}, SoftLabel{{1, 0, 0}}}, mixed{SoftLabel{{0, 0, 1}}, ClassLabel{0}};
  const Outputs outputs{at::tensor({0.5f, -1.f, 2.f, 0.25f, 1.5f, -0.5f}).view({2, 3})};
  const auto loss = [&](const std::vector<Label>& labels, double smoothing) {
    DeviceBatch batch;
    batch.packed.num_examples = 2;
    batch.labels = model_->head->labels(labels);
    TrainingConfig config;
    config.label_smoothing = smoothing;
    return model_->head->loss(outputs, batch, config).item<double>();
  };
  for (const double smoothing : {0.0, 0.1}) {
    EXPECT_NEAR(loss(soft, smoothing), loss(hard, smoothing), 1e-6);
    EXPECT_NEAR(loss(mixed, smoothing), loss(hard, smoothing), 1e-6);
  }
  const double by_hand =
      std::log(std::exp(0.5) + std::exp(-1.0) + std::exp(2.0)) - 0.5 * 0.5 - 0.5 * 2.0;
  const double second = std::log(std::exp(0.25) + std::exp(1.5) + std::exp(-0.5)) - 0.25;
  EXPECT_NEAR(loss({SoftLabel{{0.5, 0, 0.5}}, SoftLabel{{1, 0, 0}}}, 0), (by_hand + second) / 2,
              1e-6);
}

TEST_F(HeadsTest, ClassWeightsAreCrossEntropysWeights) {
  const at::Tensor logits = at::tensor({0.5f, -1.f, 2.f, 0.25f, 1.5f, -0.5f}).view({2, 3}),
                   weights = at::tensor({0.5f, 4.f, 1.5f});
  EXPECT_EQ(model_->head->example_weight(ClassLabel{1}), 1);
  model_->head->weigh_classes({0.5, 4, 1.5});
  EXPECT_EQ(model_->head->example_weight(ClassLabel{1}), 4);
  EXPECT_DOUBLE_EQ(model_->head->example_weight(SoftLabel{{0.5, 0.25, 0.25}}), 1.625);
  for (const double smoothing : {0.0, 0.1}) {
    TrainingConfig config;
    config.label_smoothing = smoothing;
    const double expected = at::cross_entropy_loss(logits, at::tensor({2, 1}, at::kLong), weights,
                                                   at::Reduction::Mean, -100, smoothing)
                                .item<double>();
    for (const std::vector<Label>& labels :
         {std::vector<Label>{ClassLabel{2}, ClassLabel{1}},
          std::vector<Label>{SoftLabel{{0, 0, 1}}, SoftLabel{{0, 1, 0}}}}) {
      DeviceBatch batch;
      batch.packed.num_examples = 2;
      batch.labels = model_->head->labels(labels);
      EXPECT_NEAR(model_->head->loss({logits}, batch, config).item<double>(), expected, 1e-6);
    }
  }
}

TEST_F(HeadsTest, LabelsOfAnotherKindAreRefused) {
  EXPECT_THAT(error_of([&] { model_->head->labels(std::vector<Label>{NumberLabel{1}}); }),
              testing::HasSubstr("takes classes as labels"));
  EXPECT_THAT(error_of([&] {
                model_->head->labels(std::vector<Label>{SoftLabel{{0.5, 0.5}}});
              }),
              testing::HasSubstr("a probability for each of its 3 classes"));
  const auto regression =
      find_head(HeadKind::kRegression).make(small_.config(), {.pooling = Pooling::kMean});
  EXPECT_THAT(error_of([&] { regression->labels(std::vector<Label>{ClassLabel{1}}); }),
              testing::HasSubstr("takes numbers as labels"));
}

// Outputs the states of every row of the example, in a model whose pooling reads all rows.
class RowsHead final : public HeadImpl {
 public:
  Outputs forward(const EncoderStates& states, const DeviceBatch& batch,
                  const Randomness&) override {
    const HeadRows& head = batch.packed.head;
    const at::Tensor rows =
        head.rows.index.size > 0 ? gather(states.rows, batch, head.rows) : states.rows;
    const at::Tensor offsets = batch.view(head.row_offsets);
    const int32_t* begin = offsets.const_data_ptr<int32_t>();
    Outputs out{rows, {begin, begin + batch.num_examples() + 1}};
    out.values = rows.narrow(0, 0, out.offsets.back());
    return out;
  }
  at::Tensor labels(std::span<const Label>) const override { return at::Tensor(); }
  at::Tensor loss(const Outputs&, const DeviceBatch&, const TrainingConfig&) const override {
    return at::Tensor();
  }
  std::vector<Prediction> predict(const Outputs& outputs) const override {
    return std::vector<Prediction>(outputs.num_examples());
  }
  double label_value(const Label&) const override { return 0; }
  const HeadTensors& tensors() const override { return tensors_; }
  void initialise(uint64_t, double) override {}
  void reorder_outputs(const std::vector<int64_t>&) override {}
  at::Tensor output_weight() const override { return at::zeros({1}); }
  int64_t saved_floats() const override { return 0; }

 private:
  HeadTensors tensors_;
};

TEST_F(HeadsTest, OutputsOfSeveralRowsComeInTheDataSetsOrder) {
  const Dataset dataset = small_.dataset(spec_, small_.random_examples(/*seed=*/4, 9));
  model_->spec.pooling = Pooling::kMean;
  model_->head = std::make_shared<RowsHead>();
  const Outputs small = *run_model(model_, dataset, spec_.schedule, {.batch_size = 2}),
                whole = *run_model(model_, dataset, spec_.schedule, {.batch_size = 64});
  ASSERT_EQ(whole.num_examples(), 9);
  EXPECT_EQ(small.offsets, whole.offsets);
  EXPECT_TRUE(at::equal(small.values, whole.values));
  for (int64_t i = 0; i < 9; ++i) {
    EXPECT_EQ(whole.offsets[i + 1] - whole.offsets[i], dataset.example_length(i));
    const std::vector<int64_t> one{i};
    at::NoGradGuard no_grad;
    const Outputs alone =
        model_->forward(model_->to_batch(dataset, one, spec_.schedule), Randomness{});
    EXPECT_TRUE(at::equal(alone.values,
                          whole.values.narrow(0, whole.offsets[i], dataset.example_length(i))))
        << "example " << i;
  }
  at::Tensor broken = whole.values.clone();
  broken[whole.offsets[3]].fill_(std::nanf(""));
  EXPECT_THAT(error_of([&] {
                make_outcomes(*model_->head, {broken, whole.offsets}, dataset, "rows");
              }),
              testing::HasSubstr("got NaN or infinity for 1 of 9 examples"));
}

TEST_F(HeadsTest, OutcomesCarryTheIdsThatMetricsGroupBy) {
  std::vector<Example> examples = small_.random_examples(/*seed=*/4, 4);
  for (size_t i = 0; i < 4; ++i) {
    examples[i].query = i < 3 ? "q" + std::to_string(i / 2) : "";
    examples[i].passage = "p" + std::to_string(i % 2);
  }
  const Dataset dataset = small_.dataset(spec_, examples);
  const auto outcomes =
      make_outcomes(*model_->head, *run_model(model_, dataset, spec_.schedule), dataset, "test");
  std::vector<int32_t> queries, passages;
  for (const Outcome& outcome : outcomes) {
    queries.push_back(outcome.query);
    passages.push_back(outcome.passage);
  }
  EXPECT_THAT(queries, testing::ElementsAre(0, 0, 1, -1));
  EXPECT_THAT(passages, testing::ElementsAre(0, 1, 0, 1));
}

}  // namespace
}  // namespace lait
