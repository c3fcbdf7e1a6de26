// Ten training steps of T5 against the same loop in plain PyTorch (tests/oracles/t5_train.py):
// fp32, dropout 0, losses within 1e-3 relative.
#include <gtest/gtest.h>

#include <numeric>

#include "lait/base/json.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/t5_oracle.h"
#include "train/train_step.h"

namespace lait {
namespace {

struct StepsCase {
  const char* shape;
  const char* optimizer;
  const char* name;
  int64_t p;
};
void PrintTo(const StepsCase& c, std::ostream* out) {
  *out << c.shape << ' ' << c.optimizer << ' ' << c.name;
}

class T5Training : public testing::TestWithParam<StepsCase> {};

TEST_P(T5Training, TenStepsHaveTransformersLosses) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const StepsCase c = GetParam();
  const T5Oracle& oracle = T5Oracle::get(c.shape);
  const TemporaryFolder folder;
  oracle::run("t5_train.py", oracle::in_quotes(folder / "losses.json") + " " + c.shape,
              folder / "log.txt");
  const auto expected = oracle::read_json(folder / "losses.json")
                            .at(std::string(c.optimizer) + " " + c.name)
                            .get<std::vector<double>>();
  Model model = oracle.model(c.p, std::string(c.name) == "pair");
  for (const ModelParameter& parameter : model->parameter_list())
    parameter.tensor.set_requires_grad(true);
  const Dataset dataset = oracle.dataset(model);
  std::vector<int64_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0);
  TrainingConfig config;
  config.steps = std::ssize(expected);
  const bool adafactor = std::string(c.optimizer) == "adafactor";
  config.optimizer = adafactor ? OptimizerKind::kAdafactor : OptimizerKind::kAdamW;
  config.learning_rate = adafactor ? 1e-2 : 1e-3;
  config.schedule = LearningRateSchedule::kConstant;
  config.warmup = 0;
  config.max_grad_norm = 0;
  config.weight_decay = adafactor ? 0 : 0.01;
  TrainStep step(model, config, std::ssize(expected));
  for (size_t i = 0; i < expected.size(); ++i) {
    std::vector<DeviceBatch> batches;
    batches.push_back(model->to_batch(dataset, all, model->spec.schedule));
    const double loss = step.run(batches, static_cast<int64_t>(i)).item<double>();
    EXPECT_NEAR(loss, expected[i], 1e-3 * expected[i]) << "step " << i;
  }
  EXPECT_LT(expected.back(), 0.1 * expected.front());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, T5Training,
    testing::Values(StepsCase{"relu", "adamw", "pair", 0}, StepsCase{"relu", "adamw", "p2", 2},
                    StepsCase{"gated", "adamw", "p2", 2}, StepsCase{"relu", "adafactor", "pair", 0},
                    StepsCase{"gated", "adafactor", "p2", 2}),
    [](const auto& info) {
      return std::string(info.param.shape) + "_" + info.param.optimizer + "_" + info.param.name;
    });

}  // namespace
}  // namespace lait
