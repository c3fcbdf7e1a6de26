// report.json at the end of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/predict/predictor.h"
#include "tests/train/trained_here.h"

namespace lait {
namespace {

class RunReport : public TrainedHere {
 protected:
  void SetUp() override { write_inputs(64, 70, 30, "steps: 12, evaluate_every: 2"); }
  nlohmann::json report() { return nlohmann::json::parse(read_file(folder_ / "run/report.json")); }
};

TEST_F(RunReport, TheBestOutcomesAreThoseOfTheModelOnTheDisk) {
  const Result whole = run("run");
  ASSERT_TRUE(whole.best_outcomes);
  Predictor best = Predictor::load(folder_ / "run/best", Precision::kFp32, DeviceKind::kCpu);
  const Dataset& data = *inputs().validation.dataset;
  const std::vector<Outcome> outcomes =
      make_outcomes(*best.model()->head, *best.outputs(data), data, "validation");
  ASSERT_EQ(whole.best_outcomes->size(), outcomes.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ((*whole.best_outcomes)[i].predicted, outcomes[i].predicted) << i;
    EXPECT_EQ((*whole.best_outcomes)[i].label, outcomes[i].label) << i;
  }
  EXPECT_FALSE(run("run").best_outcomes) << "another process evaluated it";
}

// The first report has the validation scores of the training, the second those of best/.
TEST_F(RunReport, OfAResumedRunIsTheSame) {
  const std::string command =
      program("lait-train") + " --config " + path("a.yaml") + " --output " + path("run");
  const ShellResult whole = shell(command);
  ASSERT_EQ(whole.code, 0) << whole.err;
  const nlohmann::json first = report();
  ASSERT_EQ(shell(command + " --resume").code, 0);
  const nlohmann::json second = report();
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.at("validation").at("examples"), 70);
  EXPECT_EQ(first.at("test").at("examples"), 30);
}

}  // namespace
}  // namespace lait
