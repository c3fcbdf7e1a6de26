// The whole model on a GPU against the CPU: logits, and losses over training steps. Needs a real
// GPU, since an emulator of the CUDA runtime does not have LibTorch's kernels. Otherwise the tests
// are skipped with a message.
#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/model/device.h"
#include "lait/predict/predictor.h"
#include "tests/model/small_bert.h"
#include "train/train_step.h"

namespace lait {
namespace {

class ModelOnCuda : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    try {
      at::zeros({1}, at::TensorOptions().device(resolve_device(DeviceKind::kCuda)));
    } catch (const UserError& error) {
      GTEST_SKIP() << error.what();
    } catch (const c10::Error&) {
      GTEST_SKIP() << "an emulator of the CUDA runtime does not have LibTorch's kernels";
    }
  }
};

// cuBLAS selects kernels by shape and rounds differently from the CPU's GEMM, so the laws hold
// within a tolerance.
double tolerance(at::ScalarType dtype) { return dtype == at::kFloat ? 1e-4 : 5e-2; }

struct Case {
  const char* name;
  int64_t independent_layers;
  SegmentFormat format;
  Pooling pooling;
};
constexpr Case kCases[] = {
    {"stock", 0, SegmentFormat::kPair, Pooling::kCls},
    {"split", 2, SegmentFormat::kStandalone, Pooling::kClsSegments},
    {"last layer joins", 3, SegmentFormat::kStandalone, Pooling::kClsSegments},
    {"dual", 4, SegmentFormat::kStandalone, Pooling::kSegments},
    {"mean", 1, SegmentFormat::kStandalone, Pooling::kMean}};

TEST_P(ModelOnCuda, LogitsAreTheCpus) {
  for (const Case& c : kCases) {
    const SmallBert small;
    const ModelSpec spec = small.spec(c.independent_layers, c.format, c.pooling);
    const Dataset dataset =
        small.dataset(spec, small.random_examples(/*seed=*/5, /*num_examples=*/40));
    Model model = small.model(spec, GetParam());
    const at::Tensor cpu = run_model(model, dataset, spec.schedule)->values;
    model->move_to(at::Device(at::kCUDA, 0));
    const at::Tensor cuda = run_model(model, dataset, spec.schedule)->values;
    EXPECT_LE((cpu - cuda).abs().max().item<double>(),
              tolerance(GetParam()) * cpu.abs().max().item<double>())
        << c.name;
  }
}

TEST_P(ModelOnCuda, TrainingLosesAsOnTheCpu) {
  for (const Case& c : kCases) {
    std::vector<std::vector<double>> losses;
    for (const at::Device device : {at::Device(at::kCPU), at::Device(at::kCUDA, 0)}) {
      const SmallBert small({.dropout = 0.1});  // the dropout masks are the same
      const ModelSpec spec = small.spec(c.independent_layers, c.format, c.pooling);
      const Dataset dataset =
          small.dataset(spec, small.random_examples(/*seed=*/6, /*num_examples=*/16));
      Model model = small.model(spec, GetParam());
      model->move_to(device);
      TrainingConfig config;
      config.steps = 10;
      config.learning_rate = 1e-3;
      TrainStep train(model, config, 10);
      std::vector<int64_t> all(16);
      std::iota(all.begin(), all.end(), 0);
      auto& of_device = losses.emplace_back();
      for (int64_t step = 0; step < 10; ++step) {
        std::vector<DeviceBatch> batches;
        batches.push_back(model->to_batch(dataset, all, spec.schedule));
        of_device.push_back(train.run(batches, step).item<double>());
      }
    }
    for (size_t i = 0; i < losses[0].size(); ++i) {
      EXPECT_NEAR(losses[1][i], losses[0][i], tolerance(GetParam()) * losses[0][i])
          << c.name << " step " << i;
    }
    EXPECT_LT(losses[1].back(), losses[1].front()) << c.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, ModelOnCuda, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) {
                           return info.param == at::kFloat ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace lait
