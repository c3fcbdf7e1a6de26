// lait-eval and lait-predict as a user runs them: exit codes, messages, files, pipes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <sstream>
#include <thread>

#include "eval/metrics.h"
#include "eval/predictor.h"
#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

using Result = ShellResult;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Programs : public testing::Test {
 protected:
  // A command line of the shell, in the folder of the programs.
  Result run(const std::string& command) {
    return shell("cd '" LAIT_BUILD_DIR "/bin' && { " + command + "; }", folder_.path());
  }
  std::string path(const std::string& name) { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return path(name);
  }
  std::string predict(const std::string& checkpoint, const std::string& input,
                      const std::string& more = "") {
    return "./lait-predict --precision fp32 --checkpoint '" + checkpoint + "' --input '" + input +
           "' " + more;
  }

  TemporaryFolder folder_;
};

TEST_F(Programs, PredictKeepsOrderAndIdsAndGivesTheModelsLabels) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.independent_layers = 2}).string();
  const auto lines = tiny_lines(3, 150);
  const std::string input = write("in.jsonl", to_text(lines));
  const Result result = run(predict(checkpoint, input));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto out = lines_of(result.out);
  ASSERT_EQ(out.size(), lines.size());
  std::vector<Example> examples;
  for (const auto& line : lines)
    examples.emplace_back().segments = line["segments"].get<std::vector<std::string>>();
  Predictor predictor = Predictor::load(checkpoint, Precision::kFp32, DeviceKind::kCpu);
  const auto predicted = predictions(*predictor.logits(examples, {}));
  for (size_t i = 0; i < out.size(); ++i) {
    const auto json = nlohmann::ordered_json::parse(out[i]);
    EXPECT_EQ(json.at("label"), kTinyLabels[static_cast<size_t>(predicted[i])]) << "line " << i + 1;
    EXPECT_EQ(json.contains("id"), lines[i].contains("id"));
    if (json.contains("id")) {
      EXPECT_EQ(json["id"], lines[i]["id"]);
    }
    double sum = 0, best = 0;
    for (const auto& [label, probability] : json.at("scores").items()) {
      sum += probability.get<double>();
      best = std::max(best, probability.get<double>());
    }
    EXPECT_NEAR(sum, 1, 1e-6);
    EXPECT_EQ(json["scores"][json["label"].get<std::string>()], best);
  }
  // Small windows, standard input and an output file change nothing.
  const Result small =
      run("cat '" + input + "' | " +
          predict(checkpoint, "-", "--batch-size 2 --output '" + path("made/out.jsonl") + "'"));
  EXPECT_EQ(small.code, 0) << small.err;
  EXPECT_EQ(read_file(folder_ / "made/out.jsonl"), result.out);
  EXPECT_EQ(small.out, "");
}

TEST_F(Programs, PredictRegressionGivesScores) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.head = Head::kRegression}).string();
  const Result result =
      run("echo '{\"segments\": [\"am\", \"bn\"], \"id\": \"x\"}' | " + predict(checkpoint, "-"));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.size(), 2u);
  EXPECT_TRUE(json.at("score").is_number());
}

TEST_F(Programs, PredictNamesABadLineAndWritesNothingHalf) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string good = "{\"segments\": [\"am\", \"bn\"]}\n";
  const std::string input =
      write("in.jsonl", good + "\n" + good + "{\"segments\": \"am\"}\n" + good);
  const Result to_stdout = run(predict(checkpoint, input));
  EXPECT_EQ(to_stdout.code, 2);
  EXPECT_THAT(to_stdout.err,
              HasSubstr("in.jsonl:4: expected \"segments\": a list of at least one text, got "));
  EXPECT_EQ(lines_of(to_stdout.out).size(), 2u) << "the lines before the bad one";
  const Result to_file = run(predict(checkpoint, input, "--output '" + path("out.jsonl") + "'"));
  EXPECT_EQ(to_file.code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "out.jsonl"));
  EXPECT_FALSE(fs::exists(folder_ / "out.jsonl.writing"));
}

TEST_F(Programs, PredictNamesALineThatIsTooLongAfterTheLinesBeforeIt) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.max_tokens = 4, .on_overflow = OnOverflow::kError})
          .string();
  const std::string good = "{\"segments\": [\"am\", \"bn\"]}\n", bad = "{\"segments\": \"am\"}\n";
  const std::string input =
      write("in.jsonl", good + "\n" + good +
                            "{\"segments\": [\"am\", \"am bn co\"], \"id\": \"x\"}\n" + good + bad);
  const Result result = run(predict(checkpoint, input));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              HasSubstr("in.jsonl:4: expected at most 4 tokens, got 5; shorten it, raise "
                        "data.max_segment_tokens, or set "
                        "data.on_overflow: truncate (of a checkpoint: in its lait.yaml)"));
  EXPECT_EQ(lines_of(result.out).size(), 2u) << "the lines before the long one";
  std::string lait_yaml = read_file(folder_ / "c/lait.yaml");  // the way out is one
  lait_yaml.replace(lait_yaml.find("on_overflow: error"), 18, "on_overflow: truncate");
  write_file(folder_ / "c/lait.yaml", lait_yaml);
  EXPECT_EQ(lines_of(run(predict(checkpoint, input)).out).size(), 4u);
}

TEST_F(Programs, PredictionsThatAreNotFiniteAreNone) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.classifier_bias = std::nan("")}).string();
  const std::string input =
      write("in.jsonl", "{\"segments\": [\"am\", \"bn\"], \"label\": \"neutral\"}\n");
  const Result prediction = run(predict(checkpoint, input));
  EXPECT_EQ(prediction.code, 2);
  EXPECT_EQ(prediction.out, "");
  EXPECT_THAT(prediction.err, HasSubstr("in.jsonl:1: expected a finite score, got "));
  EXPECT_THAT(
      prediction.err,
      HasSubstr(
          "the model's weights are damaged, or its training diverged; take another checkpoint"));
  const Result evaluation =
      run("./lait-eval --checkpoint '" + checkpoint + "' --data '" + input + "'");
  EXPECT_EQ(evaluation.code, 2);
  EXPECT_THAT(evaluation.err,
              HasSubstr("expected finite logits, got NaN or infinity for 1 of 1 examples"));
}

TEST_F(Programs, PredictRefusesWhatTheTaskDoesNotHave) {
  const std::string checkpoint = write_checkpoint(folder_ / "c", {.task = "mnli"}).string();
  const Result segments = run("echo '{\"segments\": [\"am\"]}' | " + predict(checkpoint, "-"));
  EXPECT_EQ(segments.code, 2);
  EXPECT_THAT(segments.err,
              HasSubstr("standard input:1: expected 2 segments (premise, hypothesis), got 1"));
  const Result empty = run(predict(checkpoint, write("empty.jsonl", "")));
  EXPECT_EQ(empty.code, 2);
  EXPECT_THAT(empty.err, HasSubstr("empty.jsonl: expected lines to predict, got an empty file"));
  const Result no_input = run("./lait-predict --checkpoint x");
  EXPECT_EQ(no_input.code, 2);
  EXPECT_THAT(no_input.err,
              HasSubstr("--input: expected a file of JSON lines, or - for standard input"));
  const Result misspelt = run("./lait-predict --checkpont x --input -");
  EXPECT_EQ(misspelt.code, 2);
  EXPECT_THAT(misspelt.err, HasSubstr("--checkpont"));
  const Result nowhere = run(predict(path("nowhere"), "-"));
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("nowhere: expected a checkpoint (lait.yaml), a run directory "
                                     "(best/) or a folder of run directories, got nothing"));
  const Result device = run(predict(checkpoint, "-", "--device tpu"));
  EXPECT_EQ(device.code, 2);
  EXPECT_THAT(device.err, HasSubstr("tpu"));
}

TEST_F(Programs, AReaderThatLeavesIsNoError) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string input = write("in.jsonl", to_text(tiny_lines(4, 3000)));
  const Result result = run(predict(checkpoint, input, "--batch-size 4 | head -n 1"));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(lines_of(result.out).size(), 1u);
}

TEST_F(Programs, PredictInterruptedLeavesNothing) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string(),
                    output = path("out.jsonl");
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipe_ends[0], STDIN_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    execl(LAIT_BUILD_DIR "/bin/lait-predict", "lait-predict", "--checkpoint", checkpoint.c_str(),
          "--input", "-", "--output", output.c_str(), static_cast<char*>(nullptr));
    _exit(99);
  }
  close(pipe_ends[0]);
  for (int i = 0; i < 600 && !fs::exists(output + ".writing"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_TRUE(fs::exists(output + ".writing"));
  kill(child, SIGTERM);
  int status = 0;
  waitpid(child, &status, 0);
  close(pipe_ends[1]);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 143);
  EXPECT_FALSE(fs::exists(output));
  EXPECT_FALSE(fs::exists(output + ".writing"));
}

TEST_F(Programs, EvalOfASweepReportsEveryRunAgainstP0) {
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

TEST_F(Programs, EvalAtOtherIndependentLayers) {
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

TEST_F(Programs, EvalSaysWhatIsMissing) {
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

TEST_F(Programs, BashCompletesOptionsConfigsAndSubcommands) {
  auto complete = [&](const std::string& words) {
    return run("bash -c 'source \"" LAIT_SOURCE_DIR
               "/cmake/completion.bash\"; PATH=$PWD:$PATH; COMP_WORDS=(" +
               words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lait; echo \"${COMPREPLY[*]}\"'")
        .out;
  };
  EXPECT_EQ(complete("lait-train --con"), "--config\n");
  EXPECT_EQ(complete("lait-train --config mn"), "mnli_split4.yaml\n");
  EXPECT_EQ(complete("lait-bench \"\""), "tokenizer attention\n");
  EXPECT_EQ(complete("lait-data wordnet --ou"), "--output\n");
  EXPECT_EQ(complete("lait-eval --device c"), "cpu cuda\n");
  EXPECT_EQ(complete("lait-eval --checkpoint lait-tr"), "lait-train\n");  // a file
}

}  // namespace
}  // namespace lait
