// What a run's config.yaml says was used, and what is said before a run: nothing is left to
// defaults that could change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/config/read.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ResolvedConfig : public TinyRun {
 protected:
  void SetUp() override { write_inputs(40, 20, 0, "steps: 2"); }
};

TEST_F(ResolvedConfig, HasWhatModelAndDataDecided) {
  ASSERT_EQ(train("--set model.hidden_dropout=0.25 --output " + path("run")).code, 0);
  const Config config = read_config(folder_ / "run/config.yaml", {});
  const HfConfig hf = read_hf_config(folder_ / "model");
  EXPECT_EQ(config.data.max_segment_tokens, hf.max_tokens);
  EXPECT_EQ(config.data.num_segments, 2);
  EXPECT_EQ(config.model.hidden_dropout, 0.25);
  EXPECT_EQ(config.model.attention_dropout, hf.attention_probs_dropout_prob);
  EXPECT_EQ(config.model.classifier_dropout, hf.classifier_dropout.value_or(0.25));
  // The config that leaves them out is still the run's.
  const ShellResult resumed =
      train("--set model.hidden_dropout=0.25 --resume --output " + path("run"));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

TEST_F(ResolvedConfig, AFinishedRunOfASweepIsKept) {
  const std::string sweep = "--sweep training.seed=1,2 --output " + path("s");
  ASSERT_EQ(train(sweep).code, 0);
  const ShellResult again = train(sweep);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("already finished"));
}

TEST_F(ResolvedConfig, RunsOfASweepHaveFoldersOfTheirOwn) {
  fs::create_directory(folder_ / "d");
  fs::copy_file(folder_ / "train.jsonl", folder_ / "d/x");
  fs::copy_file(folder_ / "train.jsonl", folder_ / "d_x");
  const ShellResult result =
      shell("cd '" + folder_.path().string() + "' && " + program("lait-train") +
            " --config a.yaml --sweep data.train=d/x,d_x --output s");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--sweep: expected values with folders of their own, got "
                                    "data.train=d/x and data.train=d_x, both for "
                                    "s/data.train=d_x; write a path in another way, e.g. ./d_x"));
  EXPECT_FALSE(fs::exists(folder_ / "s"));
}

TEST_F(ResolvedConfig, ADryRunSaysTheLabels) {
  const ShellResult result = train("--dry-run");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex(
                              "# labels: 0 entails [0-9]+, 1 neutral [0-9]+, 2 refutes [0-9]+\n"));
}

TEST_F(ResolvedConfig, KeysThatContradictTheTaskAreNamed) {
  const ShellResult segments =
      train("--set task=mnli --set data.num_segments=3 --output " + path("x"));
  EXPECT_EQ(segments.code, 2);
  EXPECT_THAT(segments.err, HasSubstr("lait-train: data.num_segments: expected 2, as task mnli "
                                      "has, got 3; leave it out"));
  for (const char* folder : {"~", "~user/runs"}) {
    const ShellResult tilde = train("--set 'output.dir=" + std::string(folder) + "'");
    EXPECT_EQ(tilde.code, 2);
    EXPECT_THAT(tilde.err, HasSubstr("output.dir: " + std::string(folder) +
                                     ": expected a folder (~ is not expanded here"));
  }
}

}  // namespace
}  // namespace lait
