// lait-train as a user runs it, on a tiny BERT: the run directory, one result per seed, stopping
// and resuming, mistakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>
#include <sstream>

#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class LaitTrain : public TinyRun {
 protected:
  void SetUp() override { write_inputs(200, 50, 50, "epochs: 2, log_every: 5"); }
  ShellResult train(const std::string& arguments) {
    return shell(LAIT_BUILD_DIR "/bin/lait-train --config '" + path("a.yaml") + "' " + arguments);
  }
  void expect_mistake(const std::string& arguments, const std::string& message) {
    const ShellResult result = train(arguments);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_THAT(result.err, HasSubstr("lait-train: "));
  }
};

std::vector<nlohmann::json> metrics_of_run(const fs::path& run) {
  std::vector<nlohmann::json> lines;
  LineReader reader(run / "metrics.jsonl");
  while (const auto line = reader.next()) lines.push_back(nlohmann::json::parse(*line));
  return lines;
}

TEST_F(LaitTrain, LeavesARunDirectoryThatCanBeReadAndRunAgain) {
  const ShellResult result = train("--output " + path("run"));
  ASSERT_EQ(result.code, 0) << result.err;
  for (const char* name :
       {"config.yaml", "metrics.jsonl", "report.json", "best/config.json", "best/model.safetensors",
        "best/lait.yaml", "best/vocab.txt", "checkpoints/step-26/state.json"}) {
    EXPECT_TRUE(fs::exists(folder_ / "run" / name)) << name;
  }
  std::vector<std::string> splits;
  for (const auto& line : metrics_of_run(folder_ / "run")) splits.push_back(line["split"]);
  EXPECT_EQ(std::ranges::count(splits, "validation"), 2);
  EXPECT_EQ(std::ranges::count(splits, "train"), 7);  // every 5 steps, and at the end of an epoch
  const auto report = nlohmann::json::parse(read_file(folder_ / "run" / "report.json"));
  EXPECT_EQ(report["test"]["examples"], 50);
  EXPECT_EQ(report["independent_layers"], 2);
  const ShellResult again = shell(LAIT_BUILD_DIR "/bin/lait-train --config " +
                                  path("run/config.yaml") + " --output " + path("again"));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(read_file(folder_ / "run" / "best" / "model.safetensors"),
            read_file(folder_ / "again" / "best" / "model.safetensors"));
}

TEST_F(LaitTrain, OneSeedGivesOneResultAnotherSeedAnother) {
  ASSERT_EQ(train("--output " + path("a")).code, 0);
  ASSERT_EQ(train("--output " + path("b")).code, 0);
  ASSERT_EQ(train("--output " + path("c") + " --set training.seed=2").code, 0);
  const auto weights = [&](const char* run) {
    return read_file(folder_ / run / "checkpoints" / "step-26" / "model" / "model.safetensors");
  };
  EXPECT_EQ(weights("a"), weights("b"));
  EXPECT_NE(weights("a"), weights("c"));
}

TEST_F(LaitTrain, AStoppedRunIsSavedAndGoesOnToTheSameEnd) {
  ASSERT_EQ(train("--output " + path("whole") + " --set training.epochs=20").code, 0);
  const ShellResult stopped = shell(
      LAIT_BUILD_DIR "/bin/lait-train --config " + path("a.yaml") +
      " --set training.epochs=20 --output " + path("cut") +
      " & pid=$!; while ! grep -q '\"step\":30' " + path("cut/metrics.jsonl") +
      " 2>/dev/null; do kill -0 $pid || exit 99; sleep 0.02; done; kill -TERM $pid; wait $pid");
  ASSERT_EQ(stopped.code, 143) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("resume with: " LAIT_BUILD_DIR "/bin/lait-train --config "));
  EXPECT_THAT(stopped.err, EndsWith(" --resume\n"));
  EXPECT_FALSE(fs::exists(folder_ / "cut" / "report.json"));
  const ShellResult resumed =
      train("--output " + path("cut") + " --set training.epochs=20 --resume");
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resumed at step"));
  const auto weights = [&](const char* run) {
    return read_file(folder_ / run / "checkpoints" / "step-260" / "model" / "model.safetensors");
  };
  EXPECT_EQ(weights("whole"), weights("cut"));
  EXPECT_EQ(read_file(folder_ / "whole" / "best" / "model.safetensors"),
            read_file(folder_ / "cut" / "best" / "model.safetensors"));
}

// The first signal asks a run to save. The second ends it at once, without a checkpoint. STOP and
// CONT make both arrive together, even on a slow machine.
TEST_F(LaitTrain, ASecondSignalEndsTheRunAtOnce) {
  const ShellResult result =
      shell(LAIT_BUILD_DIR "/bin/lait-train --config " + path("a.yaml") +
            " --set training.epochs=1000 --output " + path("run") +
            " & pid=$!; while ! grep -q '\"step\":5,' " + path("run/metrics.jsonl") +
            " 2>/dev/null; do kill -0 $pid || exit 99; sleep 0.02; done; "
            "kill -STOP $pid; kill -INT $pid; kill -TERM $pid; kill -CONT $pid; wait $pid");
  EXPECT_TRUE(result.code == 130 || result.code == 143) << result.code << ": " << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("saved")));
}

TEST_F(LaitTrain, TheLastLineIsTheNextCommand) {
  const ShellResult result = train("--set training.steps=1 --output '" + path("my run") + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, EndsWith("next: " LAIT_BUILD_DIR "/bin/lait-eval --checkpoint '" +
                                   path("my run") + "'\n"));
  const size_t begin = result.err.rfind("next: ") + 6;
  const ShellResult next = shell(result.err.substr(begin, result.err.size() - begin - 1));
  EXPECT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(train("--quiet --set training.steps=1 --output " + path("quiet")).err, "");
}

// Lines that are redrawn on a terminal. `script` gives the program a terminal.
TEST_F(LaitTrain, AProgressLineFitsANarrowTerminal) {
  const std::string command =
      LAIT_BUILD_DIR "/bin/lait-train --config " + path("a.yaml") + " --output " + path("run");
  if (std::system("command -v script >/dev/null") != 0) GTEST_SKIP() << "script is not installed";
  const ShellResult result =
      shell("TERM=xterm COLUMNS=40 script -qec '" + command + "' " + path("typescript"));
  ASSERT_EQ(result.code, 0) << result.out;
  const std::regex drawn(R"(\r\x1b\[K((\[=* *\] )?step \d+/[^\r]*))");
  int count = 0;
  for (std::sregex_iterator match(result.out.begin(), result.out.end(), drawn), end; match != end;
       ++match, ++count) {
    EXPECT_LT((*match)[1].length(), 40) << (*match)[1];
    EXPECT_THAT((*match)[1].str(), testing::AnyOf(EndsWith(" left"), EndsWith("/26")));
  }
  EXPECT_GT(count, 3) << result.out;
  const ShellResult plain =
      shell("TERM=dumb script -qec '" + command + " --overwrite' " + path("typescript"));
  ASSERT_EQ(plain.code, 0) << plain.out;
  EXPECT_THAT(plain.out, Not(HasSubstr("\033"))) << "a terminal that cannot erase gets whole lines";
}

TEST_F(LaitTrain, AccumulatedMicroBatchesGiveTheBatchesLoss) {
  ASSERT_EQ(
      train("--output " + path("a") +
            " --set training.batch_size=200 --set training.steps=1 --set training.log_every=1")
          .code,
      0);
  ASSERT_EQ(train("--output " + path("b") +
                  " --set training.batch_size=20 --set training.accumulation=10 --set "
                  "training.steps=1 --set training.log_every=1")
                .code,
            0);
  const double whole = metrics_of_run(folder_ / "a")[0]["loss"],
               parts = metrics_of_run(folder_ / "b")[0]["loss"];
  EXPECT_NEAR(whole, parts, 1e-5);
}

TEST_F(LaitTrain, RefusesToTouchARunOrAForeignFolder) {
  ASSERT_EQ(train("--output " + path("run") + " --set training.steps=1").code, 0);
  expect_mistake("--output " + path("run"),
                 "there is a run already; continue it with --resume, replace it with --overwrite");
  EXPECT_EQ(train("--output " + path("run") + " --overwrite --set training.steps=2").code, 0);
  expect_mistake("--output " + path("model"), "expected a new folder or a run directory");
  expect_mistake("--output " + path("new") + " --resume", "nothing to resume");
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(LaitTrain, MistakesAreNamedAndNothingIsWritten) {
  expect_mistake("--set training.learing_rate=1 --set bath_size=3 --output " + path("x"),
                 "did you mean");
  expect_mistake("--set model.independent_layers=7 --output " + path("x"), "expected 0 to 4");
  expect_mistake("--set model.path=no-such-model --output " + path("x"),
                 "hf download no-such-model");
  expect_mistake("--set data.train=nowhere.jsonl --output " + path("x"),
                 "data.train: nowhere.jsonl: no such file; check the path, which is relative to ");
  expect_mistake("--set task=wordnet --set data.train='my data/train.jsonl' --output " + path("x"),
                 "no such file; make it with: lait-data wordnet --output 'my data'");
  write_file(folder_ / "packed.jsonl.gz", "");
  expect_mistake("--set data.train=" + path("packed.jsonl") + " --output " + path("x"),
                 "packed.jsonl: no such file; " + (folder_ / "packed.jsonl.gz").string() +
                     " exists and can be read too: give its name");
  expect_mistake("--set task=sick --set data.train=a.txt --output " + path("x"),
                 "no such file; how to get it: head ");
  expect_mistake("--set task=jsnl --output " + path("x"), "did you mean jsonl?");
  expect_mistake("--set training.device=cuda --output " + path("x"), "training.device: cuda: ");
  expect_mistake("--set model.pooling=cls --set model.independent_layers=4 --output " + path("x"),
                 "cls");
  expect_mistake("--set model.head=text --output " + path("x"), "text");
  expect_mistake("--set training.select_by=f2 --output " + path("x"),
                 "expected one of {accuracy, macro_f1}");
  expect_mistake("", "output.dir");
  write_file(folder_ / "bad.jsonl", to_text(tiny_lines(1, 3)) + "{\"segments\": [\"a\"]}\n");
  expect_mistake("--set data.train=" + path("bad.jsonl") + " --output " + path("x"),
                 "bad.jsonl:4: expected the field \"label\", got none");
  write_file(folder_ / "other.jsonl", R"({"segments": ["a", "b"], "label": "unheard"})"
                                      "\n");
  expect_mistake("--set data.validation=" + path("other.jsonl") + " --output " + path("x"),
                 "got 'unheard'");
  write_file(folder_ / "empty.jsonl", "");
  expect_mistake("--set data.train=" + path("empty.jsonl") + " --output " + path("x"),
                 "empty.jsonl: expected examples of task jsonl, got an empty file");
  std::string weights = read_file(folder_ / "model" / "model.safetensors");
  weights.resize(weights.size() / 2);
  write_file(folder_ / "model" / "model.safetensors", weights);
  expect_mistake("--output " + path("x"), "model.safetensors");
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(LaitTrain, BadLinesAreSkippedUpToTheBudgetAndCounted) {
  write_file(folder_ / "bad.jsonl", "nonsense\n" + to_text(tiny_lines(1, 40)));
  const ShellResult result =
      train("--set data.train=" + path("bad.jsonl") +
            " --set data.skip_bad_lines=1 --set training.steps=1 --output " + path("x"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("1 bad lines skipped"));
  const ShellResult quiet =
      train("--quiet --set data.train=" + path("bad.jsonl") +
            " --set data.skip_bad_lines=1 --set training.steps=1 --output " + path("y"));
  EXPECT_THAT(
      quiet.err,
      testing::MatchesRegex("train: 40 examples, [0-9]+ distinct sequences, 1 bad lines skipped\n"))
      << "a warning";
}

TEST_F(LaitTrain, ASweepRunsEachValueOnceAndKeepsFinishedOnes) {
  const std::string arguments =
      "--sweep model.independent_layers=0,4 --set training.steps=1 --output " + path("s");
  ASSERT_EQ(train(arguments).code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "s" / "model.independent_layers=0" / "report.json"));
  EXPECT_TRUE(fs::exists(folder_ / "s" / "model.independent_layers=4" / "report.json"));
  const ShellResult again = train(arguments);
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.err,
              EndsWith("next: " LAIT_BUILD_DIR "/bin/lait-eval --checkpoint " + path("s") + "\n"));
  EXPECT_THAT(again.err, HasSubstr("already finished"));
  expect_mistake("--sweep model.independent_layers=3..1 --output " + path("t"),
                 "--sweep: expected key=a,b,c");
}

TEST_F(LaitTrain, DryRunWritesNothing) {
  const ShellResult result = train("--dry-run --output " + path("x"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("2 × segment, 2 × example"));
  EXPECT_THAT(result.out, HasSubstr("# train: 200 examples"));
  EXPECT_THAT(result.out,
              ContainsRegex("# memory: [0-9]+ MB at the peak, measured; tensors: weights "
                            "[0-9]+, AdamW [0-9]+, backward [0-9]+ \\("));
  EXPECT_THAT(result.out, ContainsRegex("# time: [0-9:]+ = [0-9:]+ for 26 steps \\+ [0-9:]+ for "
                                        "evaluation; measured on 5 steps, "));
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(LaitTrain, DryRunOfASweepAddsUpTheRunsThatAreLeft) {
  const std::string arguments =
      "--sweep model.independent_layers=0,4 --set training.steps=2 --output " + path("s");
  const ShellResult result = train(arguments + " --dry-run");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("# sweep: 2 of 2 runs left to do"));
  EXPECT_THAT(
      result.out,
      ContainsRegex("#   model.independent_layers=4: [0-9:]+, [0-9]+ MB\n# total time: [0-9:]+\n"));
  EXPECT_FALSE(fs::exists(folder_ / "s"));
  ASSERT_EQ(train("--set model.independent_layers=0 --set training.steps=2 --output '" +
                  path("s/model.independent_layers=0") + "'")
                .code,
            0);
  const ShellResult left = train(arguments + " --dry-run");
  ASSERT_EQ(left.code, 0) << left.err;
  EXPECT_THAT(left.out, HasSubstr("# sweep: 1 of 2 runs left to do"));
}

// A length of a segment is what it takes of data.max_segment_tokens.
TEST_F(LaitTrain, DataStatCountsSpecialTokens) {
  write_file(folder_ / "few.jsonl",
             "{\"segments\": [\"am bn co\", \"dp\"], \"label\": \"entails\"}\n");
  const ShellResult result =
      shell(LAIT_BUILD_DIR "/bin/lait-data stat --config '" + path("a.yaml") +
            "' --set data.train='" + path("few.jsonl") + "'");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("tokens of a distinct segment: median 5, 95 % 5, longest 5\n"));
  const ShellResult short_limit =
      shell(LAIT_BUILD_DIR "/bin/lait-data stat --config '" + path("a.yaml") +
            "' --set data.max_segment_tokens=4 --set data.train='" + path("few.jsonl") + "'");
  EXPECT_THAT(short_limit.out,
              HasSubstr("1 of 1 examples have a segment longer than data.max_segment_tokens, 4\n"));
}

// What lait-train refuses.
TEST_F(LaitTrain, DataStatChecksTheColumns) {
  const ShellResult result = shell(LAIT_BUILD_DIR "/bin/lait-data stat --config '" +
                                   path("a.yaml") + "' --set data.columns.segments=[a,a]");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("data.columns: expected each column once, got 'a' twice"));
}

}  // namespace
}  // namespace lait
