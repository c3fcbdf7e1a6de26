// What a run leaves to look at: the model card, which huggingface_hub reads, the report and the
// learning curve.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "eval/gnuplot.h"
#include "tests/oracles/python.h"
#include "tests/train/tiny_run.h"
#include "train/learning_curve.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class RunLeaves : public TinyRun {
 protected:
  void SetUp() override { write_inputs(64, 40, 30, "steps: 8, evaluate_every: 4, log_every: 1"); }
  json report() { return json::parse(read_file(folder_ / "run/report.json")); }
  json card() {
    oracle::run("model_card.py",
                oracle::in_quotes(folder_ / "run/best/README.md") + " " +
                    oracle::in_quotes(folder_ / "card.json"),
                folder_ / "log.txt");
    return json::parse(read_file(folder_ / "card.json"));
  }
};

TEST_F(RunLeaves, AModelCardThatTheHubReads) {
  LAIT_SKIP_WITHOUT_ORACLE();
  ASSERT_EQ(train_into("run", "").code, 0);
  const json found = card(), scores = report();
  EXPECT_EQ(found.at("library_name"), "lait") << "transformers cannot load it";
  EXPECT_FALSE(found.contains("base_model")) << "it comes from a folder";
  EXPECT_EQ(found.at("pipeline_tag"), "text-classification");
  json expected = json::array();
  for (const char* split : {"validation", "test"}) {
    for (const char* metric : {"accuracy", "macro_f1"}) {
      expected.push_back({"text-classification", "jsonl", split, metric,
                          scores.at(split).at("metrics").at(metric).at("value")});
    }
  }
  for (const json& row : expected)
    EXPECT_THAT(found.at("results").get<std::vector<json>>(), testing::Contains(row));
  EXPECT_EQ(found.at("results").size(), expected.size());
  const std::string text = found.at("text");
  for (const char* part :
       {"Labels: entails, neutral, refutes.", "train.jsonl", "2 × segment, 2 × example", "MFLOP",
        "lait-predict --checkpoint .", "learning_rate: 0.001", "transformers alone cannot run it"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr(folder_.path().string()))) << "a folder of this machine";
}

TEST_F(RunLeaves, ACardThatSaysHowTransformersLoadsTheModel) {
  LAIT_SKIP_WITHOUT_ORACLE();
  ASSERT_EQ(train_into("run", "--set output.hf_code=true").code, 0);
  EXPECT_EQ(card().at("library_name"), "transformers");
  EXPECT_THAT(card().at("text").get<std::string>(), HasSubstr("trust_remote_code=True"));
  const ShellResult stock =
      train_into("run",
                 "--overwrite --set training.steps=1 --set model.path=all-MiniLM-L6-v2 --set "
                 "model.independent_layers=0 --set model.pooling=cls");
  ASSERT_EQ(stock.code, 0) << stock.err;
  EXPECT_EQ(card().at("library_name"), "transformers");
  EXPECT_EQ(card().at("base_model"), "sentence-transformers/all-MiniLM-L6-v2");
  EXPECT_THAT(card().at("text").get<std::string>(), Not(HasSubstr("trust_remote_code")));
}

// best/ is the same, so nothing is selected or written again.
TEST_F(RunLeaves, TheCardIsNoDamageOfTheBestModel) {
  ASSERT_EQ(train_into("run", "").code, 0);
  const std::string card = read_file(folder_ / "run/best/README.md");
  EXPECT_EQ(train_into("run", "--resume --quiet").err, "");
  EXPECT_EQ(read_file(folder_ / "run/best/README.md"), card);
}

TEST_F(RunLeaves, AReportThatSaysWhatRanWhere) {
  ASSERT_EQ(train_into("run", "").code, 0);
  const json found = report();
  EXPECT_EQ(found.at("config").at("training").at("learning_rate"), 1e-3);
  EXPECT_EQ(found.at("config").at("data").at("train"), path("train.jsonl"));
  EXPECT_EQ(found.at("config").at("output").at("hf_code"), false);
  EXPECT_THAT(found.at("version").get<std::string>(), testing::MatchesRegex("lait .+ \\(.+\\)"));
  for (const char* key : {"host", "cpu", "cpus", "threads", "ranks", "device"})
    EXPECT_TRUE(found.at("machine").contains(key)) << key;
  EXPECT_GT(found.at("training").at("seconds"), 0);
  EXPECT_GT(found.at("process").at("seconds"), found.at("training").at("seconds"));
  // 8 steps of 16 examples.
  EXPECT_NEAR(found.at("training").at("seconds").get<double>() *
                  found.at("training").at("examples_per_s").get<double>(),
              128, 1e-6);
  EXPECT_THAT(found.at("process").at("started").get<std::string>(),
              testing::MatchesRegex("20..-..-..T..:..:..Z"));
}

TEST_F(RunLeaves, ALearningCurveAlsoOfAStoppedRun) {
  if (std::system("command -v gnuplot >/dev/null") != 0) GTEST_SKIP() << "no gnuplot";
  const ShellResult result =
      shell(program("lait-train") + " --config " + path("a.yaml") +
            " --set training.steps=4000 --output " + path("run") +
            " & pid=$!; while ! grep -qs validation " + path("run/metrics.jsonl") +
            "; do kill -0 $pid || exit 99; sleep 0.02; done; kill -TERM $pid; wait $pid");
  EXPECT_EQ(result.code, 143) << result.err;
  const std::string svg = read_file(folder_ / "run/learning_curve.svg");
  for (const char* text : {">training<", ">validation<", ">accuracy<", "best: step ", "</svg>"})
    EXPECT_THAT(svg, HasSubstr(text));
}

TEST_F(RunLeaves, WithoutGnuplotThereIsNoCurveAndARunThatEnds) {
  const ShellResult result = shell("PATH=/nonexistent " + program("lait-train") + " --config " +
                                   path("a.yaml") + " --output " + path("run"));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("no learning_curve.svg: gnuplot is not installed"));
  EXPECT_FALSE(fs::exists(folder_ / "run/learning_curve.svg"));
}

LearningCurve curve_of(int train, int validations) {
  LearningCurve curve{.title = "a 'title'", .metric = "accuracy", .best_step = -1, .lines = {}};
  for (int step = 1; step <= train; ++step)
    curve.lines.push_back({{"step", step}, {"split", "train"}, {"loss", 1.0 / step}});
  for (int i = 1; i <= validations; ++i) {
    curve.best_step = i * train / validations;
    curve.lines.push_back({{"step", curve.best_step},
                           {"epoch", i},
                           {"split", "validation"},
                           {"loss", 0.5},
                           {"accuracy", 0.75}});
  }
  return curve;
}

TEST(LearningCurveScript, DrawsRunsOfAnyLength) {
  for (const auto& [train, validations] : {std::pair{0, 0}, {1, 0}, {3, 1}, {10000, 20}}) {
    const Plot plot = run_gnuplot(learning_curve_script(curve_of(train, validations)));
    if (std::system("command -v gnuplot >/dev/null") == 0) {
      EXPECT_EQ(plot.problem, "") << train;
    }
    EXPECT_LT(plot.svg.size(), 200'000u) << train;
  }
  const std::string script = learning_curve_script(curve_of(10000, 20));
  EXPECT_THAT(script, HasSubstr("training (means of 25 lines)"));
  EXPECT_THAT(script, HasSubstr("best: step 10000, accuracy 75.0 %"));
  EXPECT_THAT(script, HasSubstr("(500 steps are an epoch)"));
  EXPECT_THAT(learning_curve_script(curve_of(3, 0)), Not(HasSubstr("accuracy")));
}

}  // namespace
}  // namespace lait
