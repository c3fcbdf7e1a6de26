// report.json at the end of a run: its scores, and the memory that it took.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <regex>
#include <sstream>

#include "lait/predict/predictor.h"
#include "tests/train/trained_here.h"
#include "train/peak_rss.h"

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

// The validation loss of metrics.jsonl, from the probabilities that lait-predict prints.
TEST_F(RunReport, ValidationLossIsTheMeanCrossEntropy) {
  ASSERT_EQ(shell(program("lait-train") + " --config " + path("a.yaml") +
                  " --quiet --set "
                  "training.label_smoothing=0.1 --output " +
                  path("run"))
                .code,
            0);
  const ShellResult predicted =
      shell(program("lait-predict") + " --quiet --precision fp32 --checkpoint " + path("run") +
            " --input " + path("validation.jsonl"));
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  std::istringstream predictions(predicted.out), examples(read_file(folder_ / "validation.jsonl"));
  double sum = 0;
  int count = 0;
  for (std::string line, example; std::getline(predictions, line); ++count) {
    std::getline(examples, example);
    const auto label = nlohmann::json::parse(example).at("label").get<std::string>();
    sum -= std::log(nlohmann::json::parse(line).at("scores").at(label).get<double>());
  }
  ASSERT_EQ(count, 70);
  const int best = report().at("best_step");
  std::optional<double> loss;
  for (const std::string& line : metrics_without_times(folder_ / "run")) {
    const auto json = nlohmann::json::parse(line);
    if (json.at("split") == "validation" && json.at("step") == best) loss = json.at("loss");
  }
  ASSERT_TRUE(loss);
  EXPECT_NEAR(*loss, sum / count, 1e-5);
}

// The first report has the validation scores of the training, the second those of best/.
TEST_F(RunReport, OfAResumedRunIsTheSame) {
  const std::string command =
      program("lait-train") + " --config " + path("a.yaml") + " --output " + path("run");
  const ShellResult whole = shell(command);
  ASSERT_EQ(whole.code, 0) << whole.err;
  nlohmann::json first = report();
  ASSERT_EQ(shell(command + " --resume").code, 0);
  nlohmann::json second = report();
  const auto peak = first.at("peak_rss_bytes").get<int64_t>();
  EXPECT_GT(peak, 20'000'000);
  EXPECT_LT(peak, 20'000'000'000);
  EXPECT_THAT(
      whole.err,
      testing::HasSubstr("\npeak memory: " +
                         std::to_string(std::llround(static_cast<double>(peak) / 1e6)) + " MB\n"));
  for (auto* json : {&first, &second}) {
    for (const char* of_the_process : {"peak_rss_bytes", "process"})
      EXPECT_EQ(json->erase(of_the_process), 1u);
  }
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.at("validation").at("examples"), 70);
  EXPECT_EQ(first.at("test").at("examples"), 30);
}

TEST_F(RunReport, TheDryRunMeasuresThePeakWithinAQuarter) {
  const std::string command =
      program("lait-train") + " --config " + path("a.yaml") + " --output " + path("run");
  const ShellResult dry = shell(command + " --dry-run");
  ASSERT_EQ(dry.code, 0) << dry.err;
  std::smatch match;
  ASSERT_TRUE(std::regex_search(dry.out, match, std::regex("# memory: ([0-9]+) MB at the peak")));
  ASSERT_EQ(shell(command).code, 0);
  const auto peak = report().at("peak_rss_bytes").get<double>();
  EXPECT_NEAR(std::stod(match[1]) * 1e6 / peak, 1, 0.25) << "peak " << peak;
}

TEST(PeakRss, CountsWhatWasInUseAtOnce) {
  constexpr int64_t kBytes = 64 << 20;
  const std::optional<int64_t> before = peak_rss_bytes();
  ASSERT_TRUE(before);
  {
    // Fresh pages beyond the peak so far.
    std::vector<char> pages(static_cast<size_t>(*before + kBytes), 'x');
    EXPECT_EQ(pages.back(), 'x');
  }
  const int64_t peak = *peak_rss_bytes();
  EXPECT_GE(peak, *before + kBytes);
  reset_peak_rss();
  EXPECT_LT(*peak_rss_bytes(), peak);
}

}  // namespace
}  // namespace lait
