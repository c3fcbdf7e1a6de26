// training.early_stopping: a run ends when the validation metric no longer improves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/trained_here.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EarlyStop : public TrainedHere {
 protected:
  // An evaluation after each of 12 steps. Nothing is learnt at a rate of 0.
  void SetUp() override { write_inputs(64, 20, 8, "steps: 12, evaluate_every: 1"); }
  int64_t evaluations(const std::string& dir) {
    int64_t count = 0;
    for (const std::string& line : metrics_without_times(folder_ / dir))
      count += line.find("\"validation\"") != std::string::npos;
    return count;
  }
};

TEST_F(EarlyStop, AfterSoManyEvaluationsWithoutAnImprovement) {
  for (const int64_t patience : {1, 3}) {
    use({"training.learning_rate=0",
         "training.early_stopping.patience=" + std::to_string(patience)});
    const std::string dir = "run" + std::to_string(patience);
    const Result result = run(dir);
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.state.step, 1 + patience);
    EXPECT_EQ(result.state.best_step, 1);
    EXPECT_EQ(evaluations(dir), 1 + patience);
    EXPECT_TRUE(
        fs::exists(folder_ / dir / "checkpoints" / ("step-" + std::to_string(1 + patience))));
    // A finished run is finished when it is resumed.
    EXPECT_EQ(run(dir).state.step, 1 + patience);
    EXPECT_EQ(evaluations(dir), 1 + patience);
  }
}

TEST_F(EarlyStop, AnImprovementCountsFromTheBestBeforeIt) {
  // What no metric can reach is no improvement, and the best is still kept.
  use({"training.early_stopping.patience=4", "training.early_stopping.min_change=2"});
  const Result result = run("run");
  EXPECT_EQ(result.state.step, 5);
  use({"training.early_stopping.patience=12"});
  EXPECT_EQ(run("patient").state.step, 12);
  use({});
  EXPECT_EQ(run("never").state.step, 12);
}

TEST_F(EarlyStop, AStoppedRunCountsOn) {
  use({"training.learning_rate=0", "training.early_stopping.patience=3"});
  EXPECT_EQ(run("whole").state.step, 4);
  EXPECT_EQ(run("cut", [](int64_t n, Model&) { return n < 6 ? 0 : SIGTERM; }).code, SIGTERM);
  EXPECT_EQ(run("cut").state.step, 4);
  EXPECT_EQ(metrics_without_times(folder_ / "cut"), metrics_without_times(folder_ / "whole"));
}

TEST_F(EarlyStop, TheReportHasTheStepsThatWereMade) {
  const std::string command = program("lait-train") + " --config " + path("a.yaml") +
                              " --set training.learning_rate=0 --set "
                              "training.early_stopping.patience=2 --output " +
                              path("run");
  const ShellResult result = shell(command);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("step 3: 2 evaluations without an improvement "
                                    "(training.early_stopping), so training ends; the best model "
                                    "is that of step 1"));
  const auto report = nlohmann::json::parse(read_file(folder_ / "run/report.json"));
  EXPECT_EQ(report["steps"], 3);
  EXPECT_EQ(report["best_step"], 1);
  EXPECT_EQ(report["skipped_steps"], 0);
  EXPECT_EQ(report["test"]["examples"], 8);
  const ShellResult none = shell(command + "2 --set data.validation=[]");
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("training.early_stopping.patience: expected data.validation"));
}

}  // namespace
}  // namespace lait
