// The memory estimate of T5 against the tensors of real training (estimate_test.cpp has BERT's).
#include <gtest/gtest.h>

#include <numeric>

#include "lait/config/enum_names.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"
#include "tests/train/tensor_bytes.h"
#include "train/estimate.h"
#include "train/train_step.h"

namespace lait {
namespace {

struct T5MemoryCase {
  bool gated;
  at::ScalarType dtype;
  int64_t p;
  OptimizerKind optimizer;
};

std::string name_of(const T5MemoryCase& c) {
  return std::string(c.gated ? "gated" : "relu") + (c.dtype == at::kFloat ? "_fp32" : "_bf16") +
         "_p" + std::to_string(c.p) + "_" + to_string(c.optimizer);
}

class T5EstimateMemory : public testing::TestWithParam<T5MemoryCase> {
 protected:
  // Large enough that what is counted stands out; all examples are one micro-batch.
  Model model() {
    nlohmann::json config = t5_config(GetParam().gated);
    config.update({{"d_model", 256}, {"d_ff", 512}});
    return fresh_t5(
        folder_ / "model", config,
        t5_spec(split_schedule(GetParam().p, 4), SegmentFormat::kStandalone, HeadKind::kText),
        GetParam().dtype);
  }
  static DeviceBatch batch_of(const Model& model, const Dataset& dataset) {
    std::vector<int64_t> all(kExamples);
    std::iota(all.begin(), all.end(), 0);
    return model->to_batch(dataset, all, model->spec.schedule);
  }
  TrainingConfig config() {
    TrainingConfig config;
    config.batch_size = kExamples;
    config.optimizer = GetParam().optimizer;
    return config;
  }
  static constexpr int64_t kExamples = 32;
  const TemporaryFolder folder_;
};

TEST_P(T5EstimateMemory, ActivationsAreWhatForwardLeavesForBackward) {
  Model model = this->model();
  const Dataset dataset = t5_dataset(model, t5_examples(1, kExamples));
  const DeviceBatch batch = batch_of(model, dataset);
  const auto loss = [&] {
    return model->loss(model->forward(batch, {.training = true}), batch, {});
  };
  loss();  // allocates what is allocated once and kept
  const TensorBytes bytes;
  const at::Tensor kept = loss();
  const auto estimated = static_cast<double>(estimate_memory(model, dataset, config()).activations);
  EXPECT_NEAR(estimated / static_cast<double>(bytes.live()), 1, 0.05)
      << "left " << bytes.live() << " bytes, estimated " << estimated;
}

TEST_P(T5EstimateMemory, TotalIsWithinATenthOfTheTensorsOfTwoSteps) {
  const TensorBytes bytes;
  Model model = this->model();
  const Dataset dataset = t5_dataset(model, t5_examples(1, kExamples));
  {
    TrainStep step(model, config(), 2);
    for (int64_t s = 0; s < 2; ++s) {
      std::vector<DeviceBatch> batches;
      batches.push_back(batch_of(model, dataset));
      step.run(batches, s).item<float>();
    }
  }
  const MemoryEstimate estimate = estimate_memory(model, dataset, config());
  EXPECT_NEAR(static_cast<double>(estimate.total()) / static_cast<double>(bytes.peak()), 1, 0.1)
      << "at most " << bytes.peak() << " bytes, estimated " << estimate.total() << ": weights "
      << estimate.weights << ", optimizer " << estimate.optimizer << ", backward "
      << estimate.backward << " of gradients " << estimate.gradients << " and activations "
      << estimate.activations;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, T5EstimateMemory,
    testing::Values(T5MemoryCase{false, at::kFloat, 0, OptimizerKind::kAdafactor},
                    T5MemoryCase{false, at::kBFloat16, 2, OptimizerKind::kAdafactor},
                    T5MemoryCase{true, at::kFloat, 2, OptimizerKind::kAdamW},
                    T5MemoryCase{true, at::kBFloat16, 4, OptimizerKind::kAdafactor}),
    [](const auto& info) { return name_of(info.param); });

}  // namespace
}  // namespace lait
