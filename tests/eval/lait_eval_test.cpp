// lait-eval as a user runs it: reports, exit codes, messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/eval/programs.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

using Result = ShellResult;
using EvalProgram = Programs;

TEST_F(EvalProgram, EvalOfASweepReportsEveryRunAgainstP0) {
  const auto lines = tiny_lines(6, 90);
  const std::string test = write("test.jsonl", to_text(lines)),
                    validation = write("validation.jsonl", to_text(tiny_lines(7, 20)));
  for (int64_t p : {3, 0}) {
    write_run(folder_ / "sweep" / ("model.independent_layers=" + std::to_string(p)),
              {.independent_layers = p, .max_tokens = 10}, {validation}, {test});
  }
  const std::string report = path("report");
  const Result result = run("./lait-eval --precision fp32 --checkpoint '" + path("sweep") +
                            "' --report '" + report + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("jsonl, test: 90 examples"));
  EXPECT_THAT(result.out, HasSubstr("independent_layers=3"));
  EXPECT_THAT(result.out, HasSubstr("distinct segments were truncated"));
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\033")));
  const auto json = nlohmann::json::parse(read_file(fs::path(report) / "report.json"));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0].at("independent_layers"), 0);
  EXPECT_EQ(json[1].at("independent_layers"), 3);
  EXPECT_TRUE(json[1].contains("difference_to_p0"));
  // The same labels as prediction's.
  const Result predicted = run(predict(path("sweep/model.independent_layers=3"), test));
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  int right = 0;
  const auto out = lines_of(predicted.out);
  for (size_t i = 0; i < out.size(); ++i)
    right += nlohmann::json::parse(out[i]).at("label") == lines[i]["label"];
  EXPECT_DOUBLE_EQ(json[1].at("metrics").at("accuracy").at("value"), right / 90.0);
  // --quiet leaves out progress, and neither results nor what was truncated.
  const Result quiet =
      run("./lait-eval --quiet --precision fp32 --checkpoint '" + path("sweep") + "'");
  EXPECT_THAT(quiet.out, HasSubstr("distinct segments were truncated"));
  EXPECT_EQ(quiet.err, "");
  const Result quiet_prediction =
      run(predict(path("sweep/model.independent_layers=3"), test, "--quiet"));
  EXPECT_EQ(quiet_prediction.out, predicted.out);
  EXPECT_THAT(quiet_prediction.err,
              HasSubstr("segments were longer than the checkpoint takes and were truncated"));
  // A report would replace a run's own.
  const std::string one = path("sweep/model.independent_layers=3");
  const Result into_run = run("./lait-eval --checkpoint '" + one + "' --report '" + one + "'");
  EXPECT_EQ(into_run.code, 2);
  EXPECT_THAT(into_run.err, HasSubstr("--report: expected a folder for the report alone, got " +
                                      one + ", a run directory"));
  // The other split, and a folder of runs where one checkpoint is needed.
  const Result on_validation =
      run("./lait-eval --checkpoint '" + path("sweep") + "' --split validation");
  EXPECT_THAT(on_validation.out, HasSubstr("jsonl, validation: 20 examples"));
  const Result many = run(predict(path("sweep"), test));
  EXPECT_EQ(many.code, 2);
  EXPECT_THAT(many.err, HasSubstr("expected one checkpoint, got a folder of 2 runs; name one"));
}

TEST_F(EvalProgram, EvalAtOtherIndependentLayers) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.independent_layers = 2}).string();
  const std::string data = write("data.jsonl", to_text(tiny_lines(8, 40)));
  const Result result = run("./lait-eval --checkpoint '" + checkpoint + "' --data '" + data +
                            "' --independent-layers 0,2,4 --report '" + path("r") + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::json::parse(read_file(folder_ / "r" / "report.json"));
  ASSERT_EQ(json.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(json[i].at("independent_layers"), 2 * i);
  EXPECT_EQ(json[0].at("split"), data);
}

TEST_F(EvalProgram, EvalSaysWhatIsMissing) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const Result no_data = run("./lait-eval --checkpoint '" + checkpoint + "'");
  EXPECT_EQ(no_data.code, 2);
  EXPECT_THAT(no_data.err, HasSubstr("name the data with --data FILE"));
  write_run(folder_ / "run", {}, {}, {path("gone.jsonl")});
  const Result gone = run("./lait-eval --checkpoint '" + path("run") + "'");
  EXPECT_EQ(gone.code, 2);
  EXPECT_THAT(gone.err, HasSubstr("gone.jsonl, which is not there as seen from "));
  const std::string strange =
      write("strange.jsonl", "{\"segments\": [\"am\"], \"label\": \"maybe\"}\n");
  const Result label =
      run("./lait-eval --checkpoint '" + checkpoint + "' --data '" + strange + "'");
  EXPECT_EQ(label.code, 2);
  EXPECT_THAT(
      label.err,
      HasSubstr(
          "expected one of the training data's labels {entails, neutral, refutes}, got 'maybe'"));
  fs::create_directories(folder_ / "nothing");
  const Result nothing = run("./lait-eval --checkpoint '" + path("nothing") + "'");
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("or a folder of run directories, got an empty folder"));
}

}  // namespace
}  // namespace lait
