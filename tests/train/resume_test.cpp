// --resume continues as if the run had not been interrupted, bit for bit, and only with the same
// run. A diverged model does not replace a checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/small_disk.h"
#include "tests/train/saved_state.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Resume : public TinyRun {
 protected:
  void SetUp() override { write_inputs(96, 20, 0, "steps: 20, log_every: 1"); }
  std::string train(const std::string& run, const std::string& more = "") {
    return program("lait-train") + " --config " + path("a.yaml") + " --output " + path(run) + " " +
           more;
  }
  // Trains until the log has a line of that step, then kills the run.
  std::string killed_at(int step, const std::string& command, const std::string& run) {
    return command + " & pid=$!; while ! grep -q '\"step\":" + std::to_string(step) + ",' " +
           path(run + "/metrics.jsonl") +
           " 2>/dev/null; do kill -0 $pid || exit 99; sleep 0.005; done; kill -9 $pid; wait $pid";
  }
};

// Dropout is drawn again for the steps that are repeated. The run stops inside an epoch and after
// the last checkpoint.
TEST_F(Resume, GoesOnBitForBit) {
  const std::string dropout =
      "--set model.hidden_dropout=0.1 --set model.attention_dropout=0.1 --set "
      "model.classifier_dropout=0.1 ";
  const std::string often =
      "--set training.steps=200 --set training.checkpoint_every=7 --set training.evaluate_every=7 ";
  for (const std::string more : {"", "--set training.threads=2", "--set training.precision=bf16",
                                 "--set training.accumulation=2",
                                 "--set training.batch_by=tokens --set training.batch_size=150"}) {
    SCOPED_TRACE(more);
    fs::remove_all(folder_ / "whole");
    fs::remove_all(folder_ / "cut");
    ASSERT_EQ(shell(train("whole", dropout + often + more)).code, 0);
    ASSERT_EQ(shell(killed_at(24, train("cut", dropout + often + more), "cut")).code, 137);
    const ShellResult resumed = shell(train("cut", dropout + often + more + " --resume"));
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_THAT(resumed.err, testing::ContainsRegex("resumed at step [1-9]"));
    for (const char* file :
         {"checkpoints/step-200/model/model.safetensors",
          "checkpoints/step-200/optimizer.safetensors", "best/model.safetensors"}) {
      EXPECT_EQ(read_file(folder_ / "whole" / file), read_file(folder_ / "cut" / file)) << file;
    }
  }
}

TEST_F(Resume, RefusesWhatIsAnotherRunAndChangesNothing) {
  ASSERT_EQ(shell(train("run")).code, 0);
  const auto before = contents(folder_ / "run");
  auto expect_refusal = [&](const std::string& more, const std::string& message) {
    const ShellResult result = shell(train("run", more + " --resume"));
    EXPECT_EQ(result.code, 2) << more;
    EXPECT_THAT(result.err, HasSubstr(message));
    auto after = contents(folder_ / "run");
    after[".lock"] = before.at(".lock");
    EXPECT_EQ(after, before) << more;
  };
  expect_refusal("--set training.seed=2 --set training.learning_rate=2e-3",
                 "started with other values of training.learning_rate, training.seed");
  expect_refusal("--set model.independent_layers=3",
                 "started with other values of model.independent_layers");
  expect_refusal("--set training.steps=40", "started with other values of training.steps");
  expect_refusal("--set training.precision=bf16",
                 "started with other values of training.precision");
  write_file(folder_ / "other.jsonl", to_text(tiny_lines(3, 96)));
  expect_refusal("--set data.train=" + path("other.jsonl"),
                 "data.train is not the data that the run was started with");
  expect_refusal("--set data.validation=" + path("other.jsonl"), "data.validation is not the data");
  // Settings that do not change the result may change, and so may the path of a file.
  fs::copy_file(folder_ / "train.jsonl", folder_ / "moved.jsonl");
  EXPECT_EQ(shell(train("run",
                        "--resume --set output.keep=3 --set training.log_every=5 --set "
                        "training.threads=2 --set data.train=" +
                            path("moved.jsonl")))
                .code,
            0);
}

TEST_F(Resume, AutomaticPrecisionOfAnotherMachineIsRefused) {
  ASSERT_EQ(shell(train("run", "--set training.precision=auto")).code, 0);
  const fs::path checkpoint = folder_ / "run/checkpoints/step-20";
  const auto json = nlohmann::json::parse(read_file(checkpoint / "state.json"));
  const std::string here = json.at("precision"), there = here == "fp32" ? "bf16" : "fp32";
  edit_state(checkpoint, {{"precision", there}});
  const ShellResult result = shell(train("run", "--set training.precision=auto --resume"));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("the run is in " + there + ", this would resume in " + here +
                                    " (training.precision)"));
}

TEST_F(Resume, ASweepKeepsWhatWasFinishedWithTheSameConfigOnly) {
  const std::string sweep = "--sweep training.seed=1,2 ";
  ASSERT_EQ(shell(train("s", sweep)).code, 0);
  EXPECT_EQ(shell(train("s", sweep + "--resume")).code, 0);
  const ShellResult changed = shell(train("s", sweep + "--resume --set training.weight_decay=0.1"));
  EXPECT_EQ(changed.code, 2);
  EXPECT_THAT(
      changed.err,
      HasSubstr(
          "training.seed=1: already finished, but with other values of training.weight_decay"));
}

// A learning rate that ruins the weights between two lines of the log: the newest checkpoint stays
// the one saved before.
TEST_F(Resume, ALostModelIsNotSaved) {
  const std::string rate =
      "--set training.learning_rate=1e38 --set training.warmup=0 --set training.max_grad_norm=0 "
      "--set training.log_every=1000 ";
  const ShellResult lost = shell(train("run", rate + "--set training.checkpoint_every=2"));
  EXPECT_EQ(lost.code, 2) << lost.err;
  EXPECT_THAT(lost.err, HasSubstr("lower training.learning_rate"));
  EXPECT_THAT(lost.err, HasSubstr("no checkpoint was saved before"));
  EXPECT_THAT(lost.err, testing::Not(HasSubstr("-nan")));
  EXPECT_FALSE(fs::exists(folder_ / "run/checkpoints/step-2"));
}

// Signals and kill -9 in turns, each after some more lines of the log. (tests/train/stops_test.cpp
// stops at every point.)
TEST_F(Resume, StopsOfAnyKindLeaveTheLogOfTheWholeRun) {
  const std::string more =
      "--set training.steps=60 --set training.log_every=20 --set training.evaluate_every=1 --set "
      "training.checkpoint_every=7 ";
  ASSERT_EQ(shell(train("whole", more)).code, 0);
  int lines = 0;
  const auto stopped_by = [&](const std::string& signal, int further) {
    lines += further;
    return shell(train("cut", more + (fs::exists(folder_ / "cut") ? " --resume" : "")) +
                 " & pid=$!; while [ \"$(cat " + path("cut/metrics.jsonl") +
                 " 2>/dev/null | wc -l)\" -lt " + std::to_string(lines) +
                 " ]; do kill -0 $pid || exit 99; sleep 0.002; done; kill -" + signal +
                 " $pid; wait $pid")
        .code;
  };
  EXPECT_EQ(stopped_by("INT", 5), 130);
  EXPECT_EQ(stopped_by("TERM", 13), 143);
  EXPECT_EQ(stopped_by("KILL", 24), 137);
  EXPECT_EQ(stopped_by("HUP", 9), 129);
  ASSERT_EQ(shell(train("cut", more + " --resume")).code, 0);
  EXPECT_EQ(metrics_without_times(folder_ / "cut"), metrics_without_times(folder_ / "whole"));
}

// `lait-train … 2>&1 | head -1`: the run continues when the reader has gone.
TEST_F(Resume, NobodyReadingTheProgressStopsNoRun) {
  const ShellResult result =
      shell(std::string("(") + train("run") + "; echo $? > " + path("code") + ") 2>&1 | head -1");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(read_file(folder_ / "code"), "0\n");
  EXPECT_TRUE(fs::exists(folder_ / "run/report.json"));
  // lait-eval writes its report before it prints.
  EXPECT_EQ(shell(program("lait-eval") + " --checkpoint " + path("run") +
                  " --split validation --report " + path("report") + " | true")
                .code,
            0);
  EXPECT_TRUE(fs::exists(folder_ / "report/report.json"));
}

}  // namespace
}  // namespace lait
