// lait-train, lait-eval and lait-predict as users run them when the machine fails: full disk, lost
// permission, a removed folder, two runs in one folder, kill -9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>

#include "tests/base/small_disk.h"
#include "tests/train/saved_state.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

struct Result {
  int code;
  // Both standard streams, through a pipe, which a limit on file sizes does not affect.
  std::string text;
};

class Trouble : public TinyRun {
 protected:
  void SetUp() override { write_inputs(64, 20, 0, "epochs: 4, log_every: 2"); }
  static Result shell(const std::string& command) {
    std::FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
    Result result{-1, ""};
    char buffer[4096];
    while (const size_t got = std::fread(buffer, 1, sizeof(buffer), pipe))
      result.text.append(buffer, got);
    const int status = ::pclose(pipe);
    if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
    return result;
  }
  std::string train(const fs::path& run, const std::string& more = "") {
    return program("lait-train") + " --config '" + path("a.yaml") + "' --output '" + run.string() +
           "' " + more;
  }
  static std::string last_line(const std::string& text) {
    const size_t end = text.find_last_not_of('\n');
    return text.substr(text.rfind('\n', end) + 1);
  }
};

// The run stops at the first file for which there is no space. What was saved is complete, and with
// free space the run continues to the same end.
TEST_F(Trouble, AFullDiskStopsTheRunAndLosesNothing) {
  SmallDisk disk(32768);
  const fs::path run = disk / "run";
  Result result = shell(train(run, "--set training.steps=4"));
  ASSERT_EQ(result.code, 0) << result.text;
  // A run of 16 steps that was stopped at step 4.
  edit_state(run / "checkpoints/step-4", {{"total_steps", 16}});
  std::string config = read_file(run / "config.yaml");
  config.replace(config.find("steps: 4"), 8, "epochs: 4");
  write_file(run / "config.yaml", config);
  fs::remove(run / "report.json");
  const auto saved = contents(run / "checkpoints/step-4");
  // KiB, so that the write fails at config.yaml, the log, best/, weights, moments.
  for (const size_t leave : {0, 4, 64, 600, 1200}) {
    disk.fill(leave);
    result = shell(train(run, "--resume"));
    disk.free();
    EXPECT_EQ(result.code, 2) << leave << ": " << result.text;
    const std::string message = last_line(result.text);
    EXPECT_THAT(message, HasSubstr("lait-train: " + run.string())) << leave;
    EXPECT_THAT(message, HasSubstr("cannot write: " + disk.reason())) << leave;
    ASSERT_EQ(contents(run / "checkpoints/step-4"), saved) << leave;
    for (const auto& entry : fs::recursive_directory_iterator(run))
      EXPECT_NE(entry.path().extension(), ".writing") << entry.path();
  }
  EXPECT_THAT(result.text, HasSubstr("step-4 is complete: continue with --resume"));
  result = shell(train(run, "--resume"));
  ASSERT_EQ(result.code, 0) << result.text;
  EXPECT_TRUE(fs::exists(run / "report.json"));
  EXPECT_TRUE(fs::exists(run / "checkpoints/step-16/state.json"));
}

TEST_F(Trouble, AFullDiskUnderTheScreensTextStopsNoRun) {
  EXPECT_EQ(shell(train(folder_ / "run") + " 2>/dev/full").code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "run/report.json"));
}

TEST_F(Trouble, ReportsAndPredictionsOnAFullDiskKeepTheOldOnes) {
  const std::string checkpoint = path("model"), data = path("validation.jsonl");
  write_file(folder_ / "in.jsonl", to_text(tiny_lines(3, 2000)));
  for (const auto kind : {SmallDisk::Kind::kTmpfs, SmallDisk::Kind::kLimit}) {
    SmallDisk disk(1024, kind);
    const std::string eval = program("lait-eval") + " --checkpoint " + checkpoint + " --data " +
                             data + " --report '" + (disk / "report").string() + "'";
    const std::string predict = program("lait-predict") + " --checkpoint " + checkpoint +
                                " --input " + path("in.jsonl") + " --output '" +
                                (disk / "p.jsonl").string() + "'";
    ASSERT_EQ(shell(eval).code, 0);
    ASSERT_EQ(shell(predict).code, 0);
    const auto before = contents(disk.path());
    EXPECT_TRUE(before.contains("report/report.json"));
    disk.fill(0);
    for (const std::string& command : {eval, predict}) {
      const Result result = shell(command);
      EXPECT_EQ(result.code, 2) << command;
      EXPECT_THAT(last_line(result.text), HasSubstr(disk.path().string()));
      EXPECT_THAT(last_line(result.text), HasSubstr("cannot write: " + disk.reason()));
    }
    disk.free();
    EXPECT_EQ(contents(disk.path()), before);
  }
  const Result direct = shell(program("lait-predict") + " --checkpoint " + checkpoint +
                              " --input " + path("in.jsonl") + " --output /dev/full");
  EXPECT_EQ(direct.code, 2);
  EXPECT_THAT(direct.text, HasSubstr("/dev/full: cannot write: No space left on device"));
}

TEST_F(Trouble, LostPermission) {
  ASSERT_EQ(shell(train(folder_ / "run", "--set training.steps=1")).code, 0);
  const auto before = contents(folder_ / "run");
  {
    const ReadOnly read_only(folder_ / "run");
    const Result result = shell(NoPowers::command() + train(folder_ / "run", "--overwrite"));
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.text, HasSubstr(path("run")));
    EXPECT_THAT(result.text, HasSubstr("Permission denied"));
  }
  auto after = contents(folder_ / "run");
  after[".lock"] = before.at(".lock");
  EXPECT_EQ(after, before);
}

TEST_F(Trouble, ARunDirectoryThatVanishes) {
  const std::string run = path("run");
  const Result result =
      shell(train(run,
                  "--set training.epochs=2000 --set training.evaluate_every=1000000 --set "
                  "training.checkpoint_every=1000000") +
            " & pid=$!; while ! [ -s " + run +
            "/metrics.jsonl ]; do kill -0 $pid || exit 99; sleep 0.02; done; mv " + run + " " +
            run + ".moved; wait $pid");
  EXPECT_EQ(result.code, 2) << result.text;
  EXPECT_THAT(
      last_line(result.text),
      HasSubstr("lait-train: " + run +
                "/metrics.jsonl: cannot write: No such file or directory; the folder is gone"));
  EXPECT_FALSE(fs::exists(run));
}

// While a run trains, no other process touches its folder. The lock of a killed process does not
// block anybody.
TEST_F(Trouble, TheSecondRunInAFolderIsRefused) {
  // `slow` is still training when the second run starts.
  const std::string run = path("run"), slow = "--set training.epochs=4000 ";
  for (const char* how : {"", "--resume", "--overwrite"}) {
    const Result second = shell(
        "rm -rf " + run + "; " + train(run, slow) + " >/dev/null 2>&1 & pid=$!; while ! [ -s " +
        run + "/metrics.jsonl ]; do kill -0 $pid || exit 99; sleep 0.02; done; " + train(run, how) +
        "; code=$?; cat " + run + "/.lock; kill -9 $pid; wait $pid; exit $code");
    EXPECT_EQ(second.code, 2) << second.text;
    const std::string owner = read_file(folder_ / "run/.lock");
    EXPECT_THAT(owner, testing::MatchesRegex("pid [0-9]+ on .+"));
    EXPECT_THAT(second.text, HasSubstr(run + ": another process is training into this folder (" +
                                       owner + "); wait for it or stop it"))
        << how;
  }
  EXPECT_EQ(shell(train(run, "--overwrite --set training.steps=1")).code, 0)
      << "the lock of a process that was killed";
}

// kill -9 can leave an unfinished folder, half a line, and lines of steps after the last
// checkpoint. None of them prevents a resume.
TEST_F(Trouble, AResumeAfterKill9EndsAsIfNothingHadBeen) {
  const std::string run = path("run"),
                    more =
                        "--set training.epochs=100 --set training.evaluate_every=50 --set "
                        "training.checkpoint_every=50 ";
  ASSERT_EQ(shell(train(folder_ / "undisturbed", more)).code, 0);
  const Result killed =
      shell(train(run, more) + " & pid=$!; while ! grep -q '\"step\":120' " + run +
            "/metrics.jsonl 2>/dev/null; do kill -0 $pid || exit 99; sleep 0.01; done; kill -9 "
            "$pid; wait $pid");
  ASSERT_EQ(killed.code, 137) << killed.text;
  fs::create_directories(folder_ / "run/best.writing");
  std::ofstream(folder_ / "run/metrics.jsonl", std::ios::app) << R"({"step": 999, "spl)";
  const Result resumed = shell(train(run, more + "--resume"));
  ASSERT_EQ(resumed.code, 0) << resumed.text;
  EXPECT_THAT(resumed.text, HasSubstr("resumed at step "));
  for (const char* file :
       {"checkpoints/step-400/model/model.safetensors",
        "checkpoints/step-400/optimizer.safetensors", "best/model.safetensors"}) {
    EXPECT_EQ(read_file(folder_ / "run" / file), read_file(folder_ / "undisturbed" / file)) << file;
  }
  EXPECT_FALSE(fs::exists(folder_ / "run/best.writing"));
  auto steps = [&](const char* name) {
    std::vector<std::pair<int64_t, std::string>> out;
    LineReader lines(folder_ / name / "metrics.jsonl");
    while (const auto line = lines.next()) {
      const auto json = nlohmann::json::parse(*line);
      out.emplace_back(json.at("step"), json.at("split"));
    }
    return out;
  };
  EXPECT_EQ(steps("run"), steps("undisturbed"));
}

TEST_F(Trouble, KilledBeforeItsFirstCheckpointItBeginsAnew) {
  const std::string run = path("run");
  const std::string more = "--set training.steps=600 --set training.checkpoint_every=1000 ";
  const Result killed = shell(
      train(run, more) + " & pid=$!; while ! [ -s " + run +
      "/metrics.jsonl ]; do kill -0 $pid || exit 99; sleep 0.02; done; kill -9 $pid; wait $pid");
  ASSERT_EQ(killed.code, 137) << killed.text;
  ASSERT_EQ(shell(train(run, more + "--resume")).code, 0);
  ASSERT_EQ(shell(train(folder_ / "whole", more)).code, 0);
  auto lines = [&](const char* name) {
    int64_t count = 0;
    for (LineReader reader(folder_ / name / "metrics.jsonl"); reader.next();) ++count;
    return count;
  };
  EXPECT_EQ(lines("run"), lines("whole"));
}

// A position, a run or moments that cannot be this run's are named and cause no crash. (Damaged
// files: tests/train/damage_test.cpp.)
TEST_F(Trouble, CheckpointsOfAnotherRunAreNamed) {
  const fs::path checkpoint = folder_ / "run/checkpoints/step-16",
                 state = checkpoint / "state.json";
  ASSERT_EQ(shell(train(folder_ / "run", "--set output.keep=1")).code, 0);
  const std::string whole = read_file(state);
  auto expect_refusal = [&](const std::string& message) {
    const Result result = shell(train(folder_ / "run", "--resume"));
    EXPECT_EQ(result.code, 2) << result.text;
    EXPECT_THAT(last_line(result.text), HasSubstr(message));
    EXPECT_THAT(result.text, HasSubstr(checkpoint.string()));
    write_file(state, whole);
  };
  write_file(state, "{}");
  expect_refusal("expected what lait-train writes");
  edit_state(checkpoint, {{"step", "16"}});
  expect_refusal("expected what lait-train writes");
  edit_state(checkpoint, {{"step", 5}, {"epoch", 1}, {"batch", 1000000}});
  expect_refusal("cannot belong to this run");
  edit_state(checkpoint, {{"total_steps", 17}});
  expect_refusal("the run has 17 steps, config and data now give 16");
}

// A lait.yaml, tokenizer or config.json of another model beside the weights.
TEST_F(Trouble, FilesThatDoNotBelongTogether) {
  auto expect = [&](const std::string& file, const std::string& from, const std::string& to,
                    const std::string& message) {
    const std::string whole = read_file(folder_ / "model" / file);
    std::string changed = whole;
    ASSERT_NE(changed.find(from), std::string::npos) << file << " has no " << from;
    changed.replace(changed.find(from), from.size(), to);
    write_file(folder_ / "model" / file, changed);
    const Result result =
        shell("echo '{\"segments\": [\"am\", \"bn\"]}' | " + program("lait-predict") +
              " --input - --checkpoint " + path("model"));
    EXPECT_EQ(result.code, 2) << result.text;
    EXPECT_THAT(result.text, HasSubstr(message));
    EXPECT_THAT(result.text, Not(HasSubstr("Exception raised")));
    write_file(folder_ / "model" / file, whole);
  };
  expect("lait.yaml", "num_layers: 4", "num_layers: 3",
         "lait.yaml does not belong to config.json: model.schedule: expected stages of 4 layers "
         "together, the model's number, got 3");
  expect("lait.yaml", "max_segment_tokens: 256", "max_segment_tokens: 257",
         "max_segment_tokens: expected at most the model's 256 positions, got 257");
  expect("lait.yaml", "- \"refutes\"", "- \"refutes\"\n  - more",
         "lait.yaml does not belong to config.json: labels: expected 3, as id2label has, got 4");
  expect("lait.yaml", "- \"refutes\"", "- \"neutral\"", "expected each label once");
  expect("lait.yaml", "labels:", "labels: &a", "an anchor (&name)");
  expect("lait.yaml", "pooling: cls_segments", "pooling: cls", "classifier.weight (expected");
  expect("config.json", "\"intermediate_size\": 128", "\"intermediate_size\": 200000",
         "expected weights of about");
  expect("config.json", "\"vocab_size\": 200", "\"vocab_size\": 100",
         "expected a tokenizer of at most 100 tokens (vocab_size of config.json), got 200");
}

}  // namespace
}  // namespace lait
