// kill -9 at random moments of a run, while it saves too: resumed each time, it leaves the bytes of
// the run that nobody killed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/base/file_writer.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

constexpr int kKills = 20;

class Kill : public TinyRun {
 protected:
  void SetUp() override {
    write_inputs(64, 10, 0,
                 "steps: 800, log_every: 7, checkpoint_every: 1, evaluate_every: 3, seed: 5");
  }
  std::string train(const std::string& dir) {
    return program("lait-train") + " --config " + path("a.yaml") + " --quiet --output " + path(dir);
  }
  // Whether a folder was being written when the run was killed.
  bool was_saving() {
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "run")) {
      if (entry.path().extension() == kUnfinishedSuffix) return true;
    }
    return false;
  }
};

TEST_F(Kill, AtRandomMomentsAndResumedEachTime) {
  ASSERT_EQ(shell(train("whole")).code, 0);
  std::mt19937 random(7);
  int saving = 0;
  for (int i = 0; i < kKills; ++i) {
    // From the moment when it has made a new checkpoint, since before there is nothing new to lose.
    const std::string newest = "$(ls " + path("run/checkpoints") + " 2>/dev/null | tr '\\n' ' ')";
    const std::string seconds = fmt::format("0.{:03}", random() % 320 + 30);
    const ShellResult result =
        shell("before=\"" + newest + "\"; " + train("run") +
              (fs::exists(folder_ / "run/config.yaml") ? " --resume" : "") +
              " & pid=$!; while kill -0 $pid 2>/dev/null && [ \"$before\" = \"" + newest +
              "\" ]; do sleep 0.02; done; sleep " + seconds +
              "; kill -9 $pid; wait $pid 2>/dev/null; echo $?");
    ASSERT_EQ(result.out, "137\n") << "the run ended before kill " << i << ": " << result.err;
    saving += was_saving();
  }
  EXPECT_GT(saving, 0) << "no kill met a run that was saving";
  const ShellResult last = shell(train("run") + " --resume");
  ASSERT_EQ(last.code, 0) << last.err;
  for (const char* file : {"best/model.safetensors", "checkpoints/step-800/model/model.safetensors",
                           "checkpoints/step-800/optimizer.safetensors"}) {
    EXPECT_TRUE(same_bytes(folder_ / "run" / file, folder_ / "whole" / file)) << file;
  }
  EXPECT_EQ(metrics_without_times(folder_ / "run"), metrics_without_times(folder_ / "whole"));
}

}  // namespace
}  // namespace lait
