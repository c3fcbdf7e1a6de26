// Runs with training.lora: what they save, and that peft reads it.
#include <gmock/gmock.h>

#include <sstream>

#include "lait/checkpoint/safetensors.h"
#include "tests/oracles/python.h"
#include "tests/train/trained_here.h"

namespace lait {
namespace {

using testing::HasSubstr;

class LoraRun : public TrainedHere {
 protected:
  void SetUp() override {
    write_inputs(60, 20, 0,
                 "steps: 12, warmup: 0, lora: {rank: 4, targets: [query, value, dense]}");
  }
};

// A stock model, which transformers and peft know.
TEST_F(LoraRun, PeftComputesTheMergedModel) {
  write_checkpoint(folder_ / "model", {.format = SegmentFormat::kPair, .pooling = Pooling::kCls});
  use({"model.independent_layers=0", "model.segment_format=pair", "model.pooling=cls",
       "training.learning_rate=1e-2"});
  run("run");
  if (!std::filesystem::exists(oracle::python())) GTEST_SKIP() << "no Python; `make test` makes it";
  const ShellResult result =
      shell("'" + oracle::python().string() + "' " + (oracle::kScripts / "lora_peft.py").string() +
            " " + path("model") + " " + path("run"));
  ASSERT_EQ(result.code, 0) << result.err;
  double difference = 1, effect = 0;
  std::istringstream(result.out) >> difference >> effect;
  EXPECT_LT(difference, 1e-4) << result.out;
  EXPECT_GT(effect, 0.01) << result.out;
}

// Where transformers has no such head, the adapters are the encoder's alone.
TEST_F(LoraRun, SavesMergedWeightsAndAdapters) {
  use({"training.lora.alpha=4"});
  run("run");
  const auto config =
      nlohmann::json::parse(read_file(folder_ / "run/best/adapter/adapter_config.json"));
  EXPECT_EQ(config["r"], 4);
  EXPECT_EQ(config["lora_alpha"], 4);
  EXPECT_EQ(config["target_modules"], (std::vector<std::string>{"query", "value", "dense"}));
  EXPECT_TRUE(config["modules_to_save"].is_null());
  const SafetensorsFile adapters(folder_ / "run/best/adapter/adapter_model.safetensors"),
      best(folder_ / "run/best/model.safetensors"), base(folder_ / "model/model.safetensors");
  EXPECT_EQ(adapters.tensors().size(), 2u * 4 * 5);
  const std::string name = "bert.encoder.layer.1.attention.self.value";
  const at::Tensor a = adapters.tensor("base_model.model." + name + ".lora_A.weight"),
                   b = adapters.tensor("base_model.model." + name + ".lora_B.weight"),
                   change = best.tensor(name + ".weight") - base.tensor(name + ".weight");
  EXPECT_GT(change.abs().max().item<double>(), 1e-4);
  EXPECT_TRUE(at::allclose(change, b.mm(a), 1e-3, 1e-6));
  const std::string key = "bert.encoder.layer.1.attention.self.key.weight";
  EXPECT_TRUE(at::equal(best.tensor(key), base.tensor(key)));
}

TEST_F(LoraRun, MistakesAreSaid) {
  const auto error = [&](const std::vector<std::string>& overrides) {
    try {
      use(overrides);
      run("none");
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string("none");
  };
  EXPECT_THAT(error({"training.lora.rank="}),
              HasSubstr("training.lora.rank: expected the adapters' rank, got none"));
  EXPECT_THAT(error({"training.lora.targets=[q_proj]"}),
              HasSubstr("training.lora.targets: expected ends of the layers' modules"));
  EXPECT_THAT(error({"training.lora.rank=0"}), HasSubstr("training.lora.rank: expected a whole"));
}

// Adapters do not fit other weights.
TEST_F(LoraRun, DoesNotResumeOnAnotherPretrainedModel) {
  run("run", [](int64_t n, Model&) { return n < 6 ? 0 : SIGTERM; });
  std::filesystem::rename(folder_ / "model", folder_ / "old");
  write_checkpoint(folder_ / "model");
  {
    // Another value in one weight.
    Model model = load_checkpoint(folder_ / "model", at::kFloat);
    const at::NoGradGuard no_grad;
    for (const ModelParameter& p : model->parameter_list()) {
      if (p.name.ends_with("qkv.weight")) p.tensor.detach().view({-1})[0] += 1;
    }
    save_checkpoint(model, folder_ / "model");
  }
  use({});
  try {
    run("run");
    ADD_FAILURE() << "resumed";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.path has not the weights that the run was started"));
  }
}

}  // namespace
}  // namespace lait
