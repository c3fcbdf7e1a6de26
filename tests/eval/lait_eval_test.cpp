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

TEST_F(EvalProgram, TypesOfValuesAreComparedWithTheExactModel) {
  const std::string test = write("test.jsonl", to_text(tiny_lines(6, 90)));
  for (const auto format : {SegmentFormat::kPair, SegmentFormat::kStandalone}) {
    const bool is_pair = format == SegmentFormat::kPair;
    write_run(folder_ / "runs" / (is_pair ? "pair" : "p3"),
              {.independent_layers = is_pair ? 0 : 3, .format = format}, {test}, {test});
  }
  const std::string report = path("report");
  const Result result = run("./lait-eval --precision fp32 --checkpoint '" + path("runs") +
                            "' --cache-type auto,fp32,bf16,int8 --report '" + report + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("values of segments in other types"));
  const auto json = nlohmann::json::parse(read_file(fs::path(report) / "report.json"));
  ASSERT_EQ(json.size(), 2u);
  for (const auto& row : json) {
    ASSERT_EQ(row.contains("value_types"), row.at("independent_layers") == 3);
    if (!row.contains("value_types")) continue;
    ASSERT_EQ(row["value_types"].size(), 4u);
    for (const auto& effect : row["value_types"]) {
      const bool is_exact = effect["type"] == "auto" || effect["type"] == "fp32";
      EXPECT_EQ(effect["largest_logit_change"] == 0, is_exact) << effect;
      if (is_exact) {
        EXPECT_EQ(effect["changed_labels"], 0);
        EXPECT_EQ(effect["metrics"]["accuracy"]["value"], row["metrics"]["accuracy"]["value"]);
        EXPECT_EQ(effect["differences"]["accuracy"]["value"], 0);
      }
    }
    const double fp32 = row["value_types"][1]["bytes_per_token"],
                 int8 = row["value_types"][3]["bytes_per_token"];
    EXPECT_LT(int8, 0.6 * fp32);
  }
  EXPECT_EQ(run("./lait-eval --checkpoint '" + path("runs") + "' --cache-type int4").code, 2);
}

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
  EXPECT_THAT(result.out, HasSubstr(" of 90 examples were truncated"));
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\033")));
  const auto json = nlohmann::json::parse(read_file(fs::path(report) / "report.json"));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0].at("independent_layers"), 0);
  EXPECT_EQ(json[1].at("independent_layers"), 3);
  EXPECT_TRUE(json[1].contains("difference_to_p0"));
  // The labels are those of lait-predict.
  const Result predicted = run(predict(path("sweep/model.independent_layers=3"), test));
  ASSERT_EQ(predicted.code, 0) << predicted.err;
  int right = 0;
  const auto out = lines_of(predicted.out);
  for (size_t i = 0; i < out.size(); ++i)
    right += nlohmann::json::parse(out[i]).at("label") == lines[i]["label"];
  EXPECT_DOUBLE_EQ(json[1].at("metrics").at("accuracy").at("value"), right / 90.0);
  EXPECT_TRUE(json[1].at("metrics").contains("macro_f1"));
  EXPECT_TRUE(json[1].at("difference_to_p0").at("metrics").contains("macro_f1"));
  int diagonal = 0;
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(json[1].at("classes")[c].at("label"), kTinyLabels[c]);
    diagonal += json[1].at("confusion_matrix")[c][c].get<int>();
  }
  EXPECT_EQ(diagonal, right);
  // --quiet hides progress, but not results and truncation.
  const Result quiet =
      run("./lait-eval --quiet --precision fp32 --checkpoint '" + path("sweep") + "'");
  EXPECT_THAT(quiet.out, HasSubstr(" of 90 examples were truncated"));
  EXPECT_EQ(quiet.err, "");
  const Result quiet_prediction =
      run(predict(path("sweep/model.independent_layers=3"), test, "--quiet"));
  EXPECT_EQ(quiet_prediction.out, predicted.out);
  EXPECT_THAT(quiet_prediction.err,
              HasSubstr(" of 90 examples truncated (the checkpoint takes 10 tokens)"));
  // A report would replace a run's own.
  const std::string one = path("sweep/model.independent_layers=3");
  const Result into_run = run("./lait-eval --checkpoint '" + one + "' --report '" + one + "'");
  EXPECT_EQ(into_run.code, 2);
  EXPECT_THAT(into_run.err, HasSubstr("--report: expected a folder for the report alone, got " +
                                      one + ", a run directory"));
  // The other split, and a folder of runs where one checkpoint is required.
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

TEST_F(EvalProgram, WhatWasLeftOutIsSaid) {
  const std::string test = write("test.jsonl", "nonsense\n" + to_text(tiny_lines(6, 20)));
  const std::string run_dir = write_run(folder_ / "run", {}, {}, {test}).string();
  const std::string eval = "./lait-eval --quiet --checkpoint '" + run_dir + "'";
  EXPECT_EQ(run(eval).code, 2);
  write_file(folder_ / "run/config.yaml", read_file(folder_ / "run/config.yaml") + "\n");
  std::string config = read_file(folder_ / "run/config.yaml");
  config.replace(config.find("skip_bad_lines: 0"), 17, "skip_bad_lines: 1");
  write_file(folder_ / "run/config.yaml", config);
  for (const std::string& command : {eval, eval + " --data '" + test + "'"}) {
    const Result result = run(command);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "lait-eval: " + test + ": 20 examples, 1 bad lines skipped\n");
  }
}

TEST_F(EvalProgram, SomebodyElsesConfigBesideACheckpointIsNotReadForNamedData) {
  write_checkpoint(folder_ / "project/best");
  write_file(folder_ / "project/config.yaml", "trainer: {max_epochs: 3}\n");
  const std::string data = write("data.jsonl", to_text(tiny_lines(8, 20)));
  const Result result =
      run("./lait-eval --checkpoint '" + path("project/best") + "' --data '" + data + "'");
  EXPECT_EQ(result.code, 0) << result.err;
}

// The "test" splits of two runs can be different examples with the same labels in the same order.
TEST_F(EvalProgram, RunsOnOtherExamplesAreNotCompared) {
  auto lines = tiny_lines(6, 30);
  const std::string one = write("one.jsonl", to_text(lines));
  for (auto& line : lines) line["segments"][0] = "am";
  const std::string other = write("other.jsonl", to_text(lines));
  write_run(folder_ / "runs/p0", {}, {}, {one});
  write_run(folder_ / "runs/p3", {.independent_layers = 3}, {}, {one});
  write_run(folder_ / "runs/q3", {.independent_layers = 3}, {}, {other});
  write_file(folder_ / "runs/begun/config.yaml", read_file(folder_ / "runs/p0/config.yaml"));
  const Result result = run("./lait-eval --checkpoint '" + path("runs") + "' --checkpoint '" +
                            path("runs/p0/best") + "' --report '" + path("r") + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("jsonl, test (" + one + "): 30 examples"));
  EXPECT_THAT(result.out, HasSubstr("jsonl, test (" + other + "): 30 examples"));
  EXPECT_THAT(result.err, HasSubstr("runs/begun: left out, it has no best/ yet"));
  const auto json = nlohmann::json::parse(read_file(folder_ / "r/report.json"));
  ASSERT_EQ(json.size(), 3u) << "p0 was named twice";
  EXPECT_TRUE(json[1].contains("difference_to_p0"));
  EXPECT_FALSE(json[2].contains("difference_to_p0"));
}

// Errors that would appear only after hours are found before the first evaluation, and results are
// not lost.
TEST_F(EvalProgram, AReportThatCannotBeWritten) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string data = write("data.jsonl", to_text(tiny_lines(8, 20))), file = write("f", "");
  const std::string eval =
      "./lait-eval --checkpoint '" + checkpoint + "' --data '" + data + "' --report ";
  const Result below_a_file = run(eval + "'" + file + "/r'");
  EXPECT_EQ(below_a_file.code, 2);
  EXPECT_THAT(below_a_file.err, HasSubstr("--report: " + file + "/r: expected a folder, but " +
                                          file + " is a file; name another"));
  fs::create_directories(folder_ / "r/report.md");  // in the way
  const Result late = run(eval + "'" + path("r") + "'");
  EXPECT_EQ(late.code, 2);
  EXPECT_THAT(late.err, HasSubstr("r/report.md: cannot write: expected a file, got a folder"));
  EXPECT_THAT(late.out, HasSubstr("20 examples"));
  fs::remove(folder_ / "r/report.md");
  // The report is written if nobody reads the progress, and if nobody can.
  EXPECT_EQ(
      run("(" + eval + "'" + path("r") + "'; echo $? > '" + path("code") + "') 2>&1 | true").code,
      0);
  EXPECT_EQ(read_file(folder_ / "code"), "0\n");
  EXPECT_TRUE(fs::exists(folder_ / "r/report.md"));
  EXPECT_EQ(run(eval + "'" + path("s") + "' 2>/dev/full").code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "s/report.md"));
}

TEST_F(EvalProgram, MessagesNameTheOptionThatIsWrong) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.independent_layers = 2, .pooling = Pooling::kCls}).string();
  const std::string data = write("data.jsonl", to_text(tiny_lines(8, 20)));
  const std::string eval = "./lait-eval --checkpoint '" + checkpoint + "' --data '" + data + "' ";
  if (!fs::exists("/dev/nvidiactl")) {
    const Result device = run(eval + "--device cuda");
    EXPECT_EQ(device.code, 2);
    EXPECT_THAT(device.err, HasSubstr("lait-eval: --device: cuda: "));
    EXPECT_THAT(device.err, Not(HasSubstr("training.device")));
  }
  const Result layers = run(eval + "--independent-layers 4");
  EXPECT_EQ(layers.code, 2);
  EXPECT_THAT(layers.err, HasSubstr(": --independent-layers: model.pooling: cls without a "
                                    "layer of example scope would read the first segment only; "
                                    "give fewer layers\n"));
  // Without a run no key can allow bad lines; with one it is named with its file.
  const std::string bad = write("bad.jsonl", "nonsense\n" + to_text(tiny_lines(8, 20)));
  const Result alone = run("./lait-eval --checkpoint '" + checkpoint + "' --data '" + bad + "'");
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, testing::EndsWith("; fix the line\n"));
  write_run(folder_ / "run", {}, {}, {bad});
  const Result of_run = run("./lait-eval --checkpoint '" + path("run") + "'");
  EXPECT_THAT(of_run.err, testing::EndsWith("; fix the line or set data.skip_bad_lines in " +
                                            path("run/config.yaml") + "\n"));
}

TEST_F(EvalProgram, EvalSaysWhatIsMissing) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const Result no_data = run("./lait-eval --checkpoint '" + checkpoint + "'");
  EXPECT_EQ(no_data.code, 2);
  EXPECT_THAT(no_data.err, HasSubstr("name the data with --data FILE"));
  write_run(folder_ / "run", {}, {}, {path("gone.jsonl")});
  const Result gone = run("./lait-eval --checkpoint '" + path("run") + "'");
  EXPECT_EQ(gone.code, 2);
  EXPECT_THAT(gone.err, HasSubstr("gone.jsonl, which does not exist (seen from "));
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
