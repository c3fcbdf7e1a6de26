// Weights and moments that are not finite never replace a checkpoint or the best model.
#include "lait/checkpoint/finite.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/base/small_disk.h"
#include "tests/train/trained_here.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInf = std::numeric_limits<float>::infinity(),
                kMax = std::numeric_limits<float>::max();

// At every place of a vector and of its rest.
TEST(Finite, OneValueIsEnough) {
  const auto names = [](const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
    std::vector<std::string> found;
    for (const NotFinite& tensor : not_finite(tensors))
      found.push_back(tensor.name + (tensor.is_nan ? " NaN" : " infinity"));
    return found;
  };
  EXPECT_THAT(names({}), IsEmpty());
  for (const int64_t size : {1, 3, 17, 64, 97}) {
    const at::Tensor fine = at::full({size}, -kMax);
    EXPECT_THAT(names({{"fine", fine}}), IsEmpty()) << "the largest float is finite";
    for (int64_t i = 0; i < size; ++i) {
      for (const float value : {kNan, kInf, -kInf}) {
        const at::Tensor bad = fine.clone();
        bad[i].fill_(value);
        EXPECT_THAT(names({{"fine", fine}, {"bad", bad}, {"too", fine}}),
                    ElementsAre(std::isnan(value) ? "bad NaN" : "bad infinity"))
            << value << " at " << i << " of " << size;
      }
    }
  }
  const at::Tensor large = at::ones({300, 1000});
  large[299][998].fill_(-kNan);
  EXPECT_THAT(names({{"large", large}}), ElementsAre("large NaN"));
}

class FiniteRun : public TrainedHere {
 protected:
  void SetUp() override {
    write_inputs(64, 20, 0, "steps: 8, checkpoint_every: 2, evaluate_every: 2, log_every: 100");
  }
  // The error of a run in which `spoil` changes the model before step 5.
  std::string error_of(const std::string& dir, const std::function<void(Model&)>& spoil) {
    try {
      run(dir, [&](int64_t n, Model& model) {
        const bool is_there = fs::exists(folder_ / dir / "checkpoints/step-4/state.json");
        if (is_there && !spoilt_) {
          spoil(model);
          spoilt_ = true;
        }
        return 0;
      });
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }
  bool spoilt_ = false;
};

// A row of the table that no text uses: no loss and no gradient shows it.
TEST_F(FiniteRun, AWeightThatNoBatchReadsIsFoundBeforeItIsSaved) {
  const fs::path dir = folder_ / "run";
  std::map<std::string, std::string> before;
  const std::string error = error_of("run", [&](Model& model) {
    before = contents(dir);
    const at::NoGradGuard no_grad;
    for (const ModelParameter& parameter : model->parameter_list()) {
      if (parameter.name.find("word_embeddings") != std::string::npos)
        parameter.tensor[198][5].fill_(kNan);
    }
  });
  EXPECT_THAT(error, testing::StartsWith("step 6: 1 of "));
  EXPECT_THAT(error, HasSubstr("weights and moments are not finite (the first: weight "));
  EXPECT_THAT(error, HasSubstr("word_embeddings"));
  EXPECT_THAT(error, HasSubstr("start over with a lower training.learning_rate or "
                               "training.max_grad_norm (the last whole checkpoint is " +
                               (dir / "checkpoints/step-4").string() + ")"));
  auto after = contents(dir);
  for (auto* files : {&before, &after}) {
    std::erase_if(*files, [](const auto& file) {
      return file.first == kMetricsFile || file.first.starts_with("tensorboard/");
    });
  }
  EXPECT_EQ(after, before) << "best/ and the checkpoints are those of step 4";
}

// Without validation data too, and when a signal stops the run.
TEST_F(FiniteRun, AStopSavesNoLostModel) {
  use({"data.validation=[]", "training.checkpoint_every=100"});
  try {
    run("run", [&](int64_t n, Model& model) {
      if (n < 4) return 0;
      const at::NoGradGuard no_grad;
      model->parameter_list().front().tensor.fill_(kInf);
      return SIGINT;
    });
    ADD_FAILURE() << "saved";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 3: "));
    EXPECT_THAT(error.what(), HasSubstr("(no checkpoint was saved before)"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "run/checkpoints/step-3"));
}

// The gradients of some steps are NaN. `n` counts the questions whether to stop, one for each step.
TEST_F(FiniteRun, AStepWithoutAFiniteGradientIsLeftOut) {
  use({"data.validation=[]", "training.log_every=4"});
  bool bad = false;
  const auto run_with = [&](const std::string& dir, int64_t first, int64_t last) {
    return run(dir, [&, first, last](int64_t n, Model& model) {
      bad = n >= first && n <= last;
      if (n == 1) {
        model->parameter_list().back().tensor.register_hook(
            [&bad](const at::Tensor& gradient) { return bad ? gradient * kNan : gradient; });
      }
      return 0;
    });
  };
  const Result result = run_with("some", 2, 3);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.state.skipped_steps, 2);
  LineReader reader(folder_ / "some/metrics.jsonl");
  const auto next_line = [&] { return nlohmann::json::parse(*reader.next()); };
  // A checkpoint would be due after every second step.
  const auto second = next_line(), fourth = next_line(), sixth = next_line();
  EXPECT_EQ(second["step"], 2);
  EXPECT_EQ(second["skipped_steps"], 1);
  EXPECT_TRUE(second["loss"].is_number() && second["gradient_norm"].is_null()) << second;
  EXPECT_EQ(fourth["skipped_steps"], 1);
  EXPECT_TRUE(fourth["loss"].is_number() && fourth["gradient_norm"].is_number()) << fourth;
  EXPECT_FALSE(sixth.contains("skipped_steps"));
  // The checkpoint of step 2 would have been one of a step that was left out.
  EXPECT_FALSE(fs::exists(folder_ / "some/checkpoints/step-2"));

  use({"data.validation=[]", "training.log_every=1", "training.max_skipped_steps=1"});
  EXPECT_EQ(run_with("few", 3, 3).code, 0);
  try {
    run_with("many", 3, 8);
    ADD_FAILURE() << "went on";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 4: the gradients of the last 2 steps are not finite "
                                        "(training.max_skipped_steps)"));
    EXPECT_THAT(error.what(), HasSubstr("the last whole checkpoint is " +
                                        (folder_ / "many/checkpoints/step-2").string()));
  }
  try {
    run_with("last", 8, 8);
    ADD_FAILURE() << "ended well";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("step 8: the last step's gradient is not finite"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "last/best"));
}

// One step with a finite loss and a finite gradient that leaves infinite weights.
TEST_F(FiniteRun, TheLastStepIsLookedAtToo) {
  for (const std::string more : {"", " --set data.validation=[]"}) {
    const ShellResult result = shell(
        program("lait-train") + " --config " + path("a.yaml") + " --overwrite --output " +
        path("run") +
        " --set training.steps=1 --set training.warmup=0 --set training.learning_rate=3e38 --set "
        "training.weight_decay=0 --set training.max_grad_norm=0" +
        more);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr("step 1: "));
    EXPECT_THAT(result.err, HasSubstr(" weights and moments are not finite (the first: weight "));
    EXPECT_THAT(result.err, HasSubstr("or with a training.max_grad_norm (no checkpoint was saved"));
    EXPECT_FALSE(fs::exists(folder_ / "run/best"));
    EXPECT_FALSE(fs::exists(folder_ / "run/checkpoints/step-1"));
    // The loss was finite.
    EXPECT_THAT(read_file(folder_ / "run/metrics.jsonl"), testing::Not(HasSubstr("null")));
  }
}

}  // namespace
}  // namespace lait
