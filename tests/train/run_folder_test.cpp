// The folder of a run, and files in it that do not belong to the run: nothing of a user is removed
// or replaced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/small_disk.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class RunFolder : public TinyRun {
 protected:
  void SetUp() override { write_inputs(32, 20, 0, "steps: 2"); }
};

// The folders of Lightning have a config.yaml and checkpoints/ too.
TEST_F(RunFolder, AFolderWithAConfigOfItsOwnIsNoRun) {
  write_file(folder_ / "own/config.yaml", "# mine\n" + read_file(folder_ / "a.yaml"));
  for (const char* name : {"best/mine", "checkpoints/mine", "report.json"})
    write_file(folder_ / "own" / name, "mine");
  const auto before = contents(folder_ / "own");
  for (const char* how : {"", " --resume", " --overwrite"}) {
    const ShellResult result = train("--output " + path("own") + how);
    EXPECT_EQ(result.code, 2) << how;
    EXPECT_THAT(result.err, HasSubstr("expected a new folder or a run directory")) << how;
    EXPECT_EQ(contents(folder_ / "own"), before) << how;
  }
}

TEST_F(RunFolder, ARunRemovesItsOwnUnfinishedFilesOnly) {
  const std::string run = "--output " + path("run");
  ASSERT_EQ(train(run).code, 0);
  const fs::path dir = folder_ / "run";
  const fs::path mine[] = {dir / "thesis.writing", dir / "notes.previous/f",
                           dir / "checkpoints/mine.writing"};
  const fs::path left[] = {dir / "best.writing/f", dir / "best.previous/f",
                           dir / "metrics.jsonl.writing", dir / "checkpoints/step-9.writing/f",
                           dir / "checkpoints/step-2.previous/f"};
  for (const auto& path : mine) write_file(path, "mine");
  for (const auto& path : left) write_file(path, "left");
  ASSERT_EQ(train(run + " --resume").code, 0);
  for (const auto& path : mine) EXPECT_TRUE(fs::exists(path)) << path;
  for (const auto& path : left) EXPECT_FALSE(fs::exists(path)) << path;
}

TEST_F(RunFolder, OverwritingTheModelThatIsToBeTrainedIsRefused) {
  ASSERT_EQ(train("--output " + path("run")).code, 0);
  const auto before = contents(folder_ / "run/best");
  const ShellResult result = train("--output " + path("run") + "/ --overwrite --set model.path=" +
                                   path("run/checkpoints/../best"));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("which --overwrite would remove; name another folder"));
  EXPECT_EQ(contents(folder_ / "run/best"), before);
  // Training from the best model of another folder keeps its head, or makes a new one for other
  // labels.
  const std::string from_best =
      "--output " + path("next") + " --set model.path=" + path("run/best");
  EXPECT_THAT(train(from_best).err, HasSubstr("head: the checkpoint's\n"));
  std::string other = read_file(folder_ / "train.jsonl");
  for (size_t at = 0; (at = other.find("entails", at)) != other.npos; ++at)
    other.replace(at, 7, "zealous");
  write_file(folder_ / "other.jsonl", other);
  EXPECT_THAT(train(from_best +
                    " --overwrite --set data.validation=[] --set data.train=" + path("other.jsonl"))
                  .err,
              HasSubstr("head: new, since the checkpoint's head has other labels\n"));
}

TEST_F(RunFolder, ABestModelThatIsGoneIsChosenAnew) {
  const std::string run = "--output " + path("run");
  ASSERT_EQ(train(run).code, 0);
  fs::rename(folder_ / "run/best", folder_ / "deployed");
  const ShellResult result = train(run + " --resume");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("run/best is missing; the best model is that of the "
                                    "checkpoint, written again"));
  EXPECT_EQ(contents(folder_ / "run/best"), contents(folder_ / "deployed"));
  write_file(folder_ / "run/checkpoints/step-2/state.json", "{");
  const ShellResult damaged = train(run + " --resume");
  EXPECT_EQ(damaged.code, 2);
  EXPECT_THAT(damaged.err, HasSubstr("no whole checkpoint is left: start over with --overwrite"));
}

TEST_F(RunFolder, AFinishedRunWithoutCheckpointsIsNotBegunAnew) {
  const std::string run = "--output " + path("run");
  ASSERT_EQ(train(run).code, 0);
  fs::remove_all(folder_ / "run/checkpoints");
  const auto before = contents(folder_ / "run");
  const auto expect_refusal = [&](const std::string& more, const std::string& message) {
    const ShellResult result = train(run + " --resume " + more);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
    auto after = contents(folder_ / "run");
    after[".lock"] = before.at(".lock");
    EXPECT_EQ(after, before);
  };
  expect_refusal("", path("run") + ": the run is finished, and its checkpoints are gone");
  expect_refusal("--set training.seed=2", "started with other values of training.seed");
  // Before its first checkpoint an unfinished run is in the same state.
  fs::remove(folder_ / "run/report.json");
  EXPECT_EQ(train(run + " --resume --quiet --set training.seed=2").code, 2);
  const ShellResult anew = train(run + " --resume --quiet");
  EXPECT_EQ(anew.code, 0);
  EXPECT_EQ(anew.err, path("run") + ": there is no checkpoint, so the run begins anew\n");
  for (const auto& [name, bytes] : contents(folder_ / "run/best"))
    EXPECT_EQ(bytes, before.at("best/" + name)) << name;
}

TEST_F(RunFolder, OtherThreadsAreSaid) {
  const std::string run = "--output " + path("run");
  ASSERT_EQ(train(run).code, 0);
  EXPECT_THAT(train(run + " --resume --quiet").err, testing::IsEmpty());
  const ShellResult result = train(run + " --resume --quiet --set training.threads=2");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err,
              HasSubstr("started on cpu with 1 threads, resuming on cpu with 2 threads"));
}

// A closed terminal or a lost connection. Under nohup the run continues.
TEST_F(RunFolder, AHangUpSavesFirst) {
  const std::string kill =
      " --set training.steps=400 --set training.log_every=1 & pid=$!; while ! grep -q "
      "'\"step\":5,' " +
      path("run/metrics.jsonl") +
      " 2>/dev/null; do kill -0 $pid || exit 99; sleep 0.005; done; kill -HUP $pid; wait $pid";
  const std::string command =
      program("lait-train") + " --config " + path("a.yaml") + " --output " + path("run");
  const ShellResult result = shell(command + kill);
  EXPECT_EQ(result.code, 129);
  EXPECT_THAT(result.err, HasSubstr("stopped by signal 1 at step "));
  fs::remove_all(folder_ / "run");
  EXPECT_EQ(shell("nohup " + command + kill).code, 0);
}

TEST_F(RunFolder, TheNextCommandOfARunWithoutLabelledDataLeft) {
  const ShellResult result = train("--set data.validation=[] --output " + path("run"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("/lait-eval --checkpoint " + path("run") + " --data FILE ("));
}

// What nobody can see in the data later: which class has which index, and that all was seen before.
TEST_F(RunFolder, TheRunSaysItsLabelsAndThatValidationIsTrainingData) {
  const std::string few = to_text(tiny_lines(1, 9));
  write_file(folder_ / "few.jsonl", few);
  const ShellResult result =
      train("--set data.validation=" + path("few.jsonl") +
            " --set data.test=" + path("validation.jsonl") + " --output " + path("run"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, testing::ContainsRegex(
                              "labels: 0 entails [0-9]+, 1 neutral [0-9]+, 2 refutes [0-9]+\n"));
  EXPECT_THAT(result.err, HasSubstr("data.validation: all its examples are in the training data"));
  EXPECT_THAT(result.err, Not(HasSubstr("data.test: all")));
  const std::string spec = read_file(folder_ / "run/best/lait.yaml");
  EXPECT_THAT(spec, HasSubstr("\"entails\""));
  EXPECT_THAT(spec, HasSubstr("  num_segments: 2\n"));
}

TEST_F(RunFolder, LabelsThatYamlWouldReadOtherwiseStayText) {
  std::string text;
  for (const char* label : {"no", "007", "1.0", "null", "~"}) {
    text += std::string(R"({"segments": ["am", "bn"], "label": ")") + label + "\"}\n";
  }
  write_file(folder_ / "odd.jsonl", text);
  const std::string file = path("odd.jsonl");
  const ShellResult result = train("--set data.train=" + file + " --set data.validation=" + file +
                                   " --output " + path("run"));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string spec = read_file(folder_ / "run/best/lait.yaml");
  for (const char* label : {"no", "007", "1.0", "null", "~"})
    EXPECT_THAT(spec, HasSubstr("\"" + std::string(label) + "\"")) << spec;
  EXPECT_EQ(read_spec(folder_ / "run/best").labels,
            (std::vector<std::string>{"007", "1.0", "no", "null", "~"}));
}

TEST_F(RunFolder, LinesWithOtherNumbersOfSegmentsAreRefusedUnlessTheConfigSaysSo) {
  write_file(folder_ / "three.jsonl", to_text(tiny_lines(1, 3)) +
                                          R"({"segments": ["a", "b", "c"], "label": "neutral"})"
                                          "\n");
  const std::string more = "--set data.train=" + path("three.jsonl") + " --output " + path("run");
  const ShellResult refused = train(more);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr(path("three.jsonl") +
                                     ":4: expected 2 segments in every example, got 3; train with "
                                     "data.num_segments: 0 if the number may differ"));
  const ShellResult taken = train(more + " --set data.num_segments=0");
  EXPECT_EQ(taken.code, 0) << taken.err;
}

TEST_F(RunFolder, WhatIsWrongWithASplitNamesIt) {
  const auto expect_mistake = [&](const std::string& more, const std::string& message) {
    const ShellResult result = train("--output " + path("x") + " " + more);
    EXPECT_EQ(result.code, 2) << more;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_FALSE(fs::exists(folder_ / "x"));
  };
  const std::string line = R"({"segments": ["a", "b"], "label": "entails"})"
                           "\n";
  write_file(folder_ / "one.jsonl", line);
  expect_mistake("--set data.train=" + path("one.jsonl"),
                 "lait-train: data.train: expected at least two different labels, got 1");
  write_file(folder_ / "odd.jsonl", line + R"({"segments": ["a"], "label": "odd"})"
                                           "\n");
  expect_mistake("--set data.validation=" + path("odd.jsonl"),
                 path("odd.jsonl") + ":2: expected one of the training data's labels");
  expect_mistake("--set data.test=" + path("one.jsonl") +
                     " --set 'model.schedule=[{num_layers: 2, scope: segment}, {num_layers: 2, "
                     "scope: group}]'",
                 path("train.jsonl") + ":1: expected the field \"groups\"");
  expect_mistake("--set data.on_overflow=error --set data.max_segment_tokens=3",
                 path("train.jsonl") + ":");
  expect_mistake("--set data.train='~/train.jsonl'",
                 "no such file (~ is not expanded here; write ${HOME}); ");
  const ShellResult tilde = train("--set 'output.dir=~/runs'");
  EXPECT_EQ(tilde.code, 2);
  EXPECT_THAT(tilde.err,
              HasSubstr("output.dir: ~/runs: expected a folder (~ is not expanded here"));
  // Impossible values are found before the first run trains.
  expect_mistake("--sweep model.independent_layers=0,9",
                 "model.independent_layers=9: model.independent_layers: expected 0 to 4");
}

}  // namespace
}  // namespace lait
