// lait-predict as a user runs it: exit codes, messages, files, pipes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <thread>

#include "eval/metrics.h"
#include "lait/predict/predictor.h"
#include "tests/eval/programs.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

using Result = ShellResult;
using PredictProgram = Programs;

TEST_F(PredictProgram, PredictKeepsOrderAndIdsAndGivesTheModelsLabels) {
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
  const auto predicted = predictor.model()->head->predict(*predictor.outputs(examples));
  for (size_t i = 0; i < out.size(); ++i) {
    const auto json = nlohmann::ordered_json::parse(out[i]);
    EXPECT_EQ(json.at("label"), kTinyLabels[static_cast<size_t>(predicted[i].value)])
        << "line " << i + 1;
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

// Three lines are equal once they are truncated; two of them lost words.
TEST_F(PredictProgram, TruncatedLinesAreMarkedWithTheirSegments) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.independent_layers = 1, .max_tokens = 7}).string();
  const std::string words = "am bn co dp eq",
                    input = write("in.jsonl", "{\"segments\": [\"am\", \"" + words +
                                                  "\"]}\n{\"segments\": [\"am\", \"" + words +
                                                  " fr gs\"]}\n{\"segments\": [\"" + words +
                                                  " am\", \"" + words + " am\"]}\n");
  for (const char* more : {"", "--batch-size 1"}) {
    const Result result = run(predict(checkpoint, input, more));
    ASSERT_EQ(result.code, 0) << result.err;
    const auto out = lines_of(result.out);
    EXPECT_FALSE(nlohmann::json::parse(out[0]).contains("truncated"));
    EXPECT_EQ(nlohmann::json::parse(out[1]).at("truncated"), nlohmann::json({1}));
    EXPECT_EQ(nlohmann::json::parse(out[2]).at("truncated"), nlohmann::json({0, 1}));
    EXPECT_THAT(result.err, HasSubstr("2 of 3 examples truncated"));
  }
}

TEST_F(PredictProgram, FilesOfTheTaskArePredictedWithAndWithoutLabels) {
  const std::string checkpoint = write_checkpoint(folder_ / "c", {.task = "mnli"}).string();
  const Result lines =
      run("echo '{\"segments\": [\"am bn\", \"co\"], \"id\": \"\"}' | " + predict(checkpoint, "-"));
  ASSERT_EQ(lines.code, 0) << lines.err;
  const auto expected = nlohmann::ordered_json::parse(lines.out);
  EXPECT_EQ(expected.at("id"), "");
  for (const std::string& text :
       {std::string("index\tsentence1\tsentence2\n3\tam bn\tco\n"),
        std::string("sentence1,sentence2,label,index\n\"am bn\",co,neutral,3\n"),
        std::string("{\"index\": \"3\", \"premise\": \"am bn\", \"hypothesis\": \"co\", \"label\": "
                    "-1}\n")}) {
    const Result result = run(predict(checkpoint, write("in", text)));
    ASSERT_EQ(result.code, 0) << result.err;
    const auto line = nlohmann::ordered_json::parse(result.out);
    EXPECT_EQ(line.begin().key(), "index");
    EXPECT_EQ(line.at("index"), "3");
    EXPECT_EQ(line.at("scores"), expected.at("scores"));
    EXPECT_FALSE(line.contains("sentence1"));
  }
  const Result segments =
      run("printf 'premise,label\\nam,neutral\\n' | " + predict(checkpoint, "-"));
  EXPECT_EQ(segments.code, 2);
  EXPECT_THAT(segments.err, HasSubstr("standard input:1: expected a header with the column "
                                      "hypothesis or sentence2, got 'premise label'"));
}

// Another process writes a line, and waits for the answer before it writes the next.
TEST_F(PredictProgram, ACoProcessGetsItsAnswerAtOnce) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string script =
      write("script.bash",
            "coproc P { " + predict(checkpoint, "-") +
                "; }\nfor word in am bn co; do\n"
                "echo '{\"segments\": [\"'$word'\", \"dp\"], \"id\": \"'$word'\"}' >&${P[1]}\n"
                "read -r -t 60 answer <&${P[0]} || exit 7\necho \"$answer\"\ndone\n");
  const Result result = run("bash '" + script + "'");
  EXPECT_EQ(result.code, 0) << result.err;
  const auto out = lines_of(result.out);
  ASSERT_EQ(out.size(), 3u) << result.err;
  EXPECT_EQ(nlohmann::json::parse(out[2]).at("id"), "co");
}

TEST_F(PredictProgram, PredictRegressionGivesScores) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.head = HeadKind::kRegression}).string();
  const Result result =
      run("echo '{\"segments\": [\"am\", \"bn\"], \"id\": \"x\"}' | " + predict(checkpoint, "-"));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.size(), 2u);
  EXPECT_TRUE(json.at("score").is_number());
  // The shortest text that reads back to the score, a float.
  Predictor predictor = Predictor::load(checkpoint, Precision::kFp32, DeviceKind::kCpu);
  char shortest[32];
  const auto end = std::to_chars(shortest, shortest + sizeof(shortest),
                                 static_cast<float>(predictor.predict({"am", "bn"}).score))
                       .ptr;
  EXPECT_EQ(result.out, "{\"id\":\"x\",\"score\":" + std::string(shortest, end) + "}\n");
}

TEST_F(PredictProgram, PredictNamesABadLineAndWritesNothingHalf) {
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

TEST_F(PredictProgram, PredictNamesALineThatIsTooLongAfterTheLinesBeforeIt) {
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
  // The fix that the message names works.
  std::string lait_yaml = read_file(folder_ / "c/lait.yaml");
  lait_yaml.replace(lait_yaml.find("on_overflow: error"), 18, "on_overflow: truncate");
  write_file(folder_ / "c/lait.yaml", lait_yaml);
  EXPECT_EQ(lines_of(run(predict(checkpoint, input)).out).size(), 4u);
}

TEST_F(PredictProgram, PredictionsThatAreNotFiniteAreNone) {
  const std::string checkpoint =
      write_checkpoint(folder_ / "c", {.classifier_weight = 3e38}).string();
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

TEST_F(PredictProgram, PredictRefusesWhatTheTaskDoesNotHave) {
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

// A script may have read a header first, and standard input may be a file that only the shell could
// open, or a socket.
TEST_F(PredictProgram, StandardInputIsReadFromWhereItStands) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string input = write("in.jsonl", "a header\n" + to_text(tiny_lines(4, 3)));
  const Result result =
      run("{ read -r header; " + predict(checkpoint, "-") + "; } < '" + input + "'");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(lines_of(result.out).size(), 3u);
  const Result closed = run(predict(checkpoint, "-", "<&-"));
  EXPECT_EQ(closed.code, 2);
  EXPECT_THAT(closed.err, HasSubstr("standard input: cannot read: "));
}

TEST_F(PredictProgram, BlankLinesAreCountedAndSaid) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const Result result =
      run("printf '{\"segments\": [\"am\"]}\\n\\n  \\n' | " + predict(checkpoint, "-", "--quiet"));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(lines_of(result.out).size(), 1u);
  EXPECT_EQ(result.err, "lait-predict: 2 blank lines have no prediction\n");
}

TEST_F(PredictProgram, OutputsThatAreAMistake) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string text = to_text(tiny_lines(4, 3)), input = write("in.jsonl", text);
  fs::create_symlink("in.jsonl", folder_ / "link");
  const auto expect_mistake = [&](const std::string& more, const std::string& message) {
    const Result result = run(predict(checkpoint, input, more));
    EXPECT_EQ(result.code, 2) << more;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(read_file(input), text);
  };
  expect_mistake("--output '" + input + "'", "is the input, which would be replaced");
  expect_mistake("--output '" + path("link") + "'", "is the input, which would be replaced");
  expect_mistake("--output '" + path("p.jsonl.gz") + "'", "plain text is written; leave out .gz");
  expect_mistake("--output '" + path("new") + "/'", "expected a file, got a folder; name a file");
  EXPECT_FALSE(fs::exists(folder_ / "new"));
  expect_mistake("--output ''", "--output: expected a value, got an empty text");
  expect_mistake("--threads 3000000000", "--threads: ");
  // The first file opened does not take the place of a closed standard error.
  EXPECT_EQ(run(predict(checkpoint, input, "--output '" + path("out") + "' 2>&-")).code, 0);
  EXPECT_EQ(lines_of(read_file(folder_ / "out")).size(), 3u);
}

TEST_F(PredictProgram, ACheckpointsOwnFaultsAreItsOwn) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string input = write("in.jsonl", to_text(tiny_lines(4, 3)));
  const std::string vocabulary = read_file(folder_ / "c/vocab.txt");
  write_file(folder_ / "c/vocab.txt", vocabulary.substr(0, 200));
  const Result cut = run(predict(checkpoint, input));
  EXPECT_EQ(cut.code, 2);
  EXPECT_THAT(
      cut.err,
      HasSubstr("c: expected a tokenizer of at most 200 tokens (vocab_size of config.json) and not "
                "below half of them, got "));
  write_file(folder_ / "c/vocab.txt", vocabulary);
  std::string lait_yaml = read_file(folder_ / "c/lait.yaml");
  lait_yaml.replace(lait_yaml.find("task: jsonl"), 11, "task: nope");
  write_file(folder_ / "c/lait.yaml", lait_yaml);
  const Result task = run(predict(checkpoint, input));
  EXPECT_EQ(task.code, 2);
  EXPECT_THAT(task.err, HasSubstr("c/lait.yaml: task: expected one of {"));
}

TEST_F(PredictProgram, AReaderThatLeavesIsNoError) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string input = write("in.jsonl", to_text(tiny_lines(4, 3000)));
  const Result result = run(predict(checkpoint, input, "--batch-size 4 | head -n 1"));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(lines_of(result.out).size(), 1u);
}

TEST_F(PredictProgram, PredictInterruptedLeavesNothing) {
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

}  // namespace
}  // namespace lait
