// A run that is stopped or killed at any point, and resumed, leaves what the uninterrupted run
// leaves: metrics.jsonl apart from its times, the best model, the last checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/trained_here.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

struct Killed {};

struct StopsCase {
  const char* name;
  std::vector<std::string> overrides;
};

class Stops : public TrainedHere, public testing::WithParamInterface<StopsCase> {
 protected:
  // 3 steps an epoch; validation takes 2 batches.
  void SetUp() override {
    write_inputs(40, 70, 0, "steps: 8, log_every: 3");
    write_file(folder_ / "one_batch.jsonl", to_text(tiny_lines(2, 60)));
    write_checkpoint(folder_ / "teacher", {.format = SegmentFormat::kPair});
    std::vector<std::string> overrides = GetParam().overrides;
    for (std::string& text : overrides) {
      if (const size_t at = text.find("=./"); at != text.npos)
        text = text.substr(0, at + 1) + path(text.substr(at + 3));
    }
    use(overrides);
    whole_ = run("whole").asked;
  }
  // Everything but times.
  void expect_whole(const std::string& dir) {
    const fs::path cut = folder_ / dir, whole = folder_ / "whole";
    EXPECT_EQ(metrics_without_times(cut), metrics_without_times(whole));
    for (const char* file : {"best/model.safetensors", "checkpoints/step-8/model/model.safetensors",
                             "checkpoints/step-8/optimizer.safetensors"}) {
      EXPECT_TRUE(same_bytes(cut / file, whole / file)) << file;
    }
    const auto state = [](const fs::path& dir) {
      return nlohmann::json::parse(read_file(dir / "checkpoints/step-8/state.json"));
    };
    EXPECT_EQ(state(cut), state(whole));
  }
  int64_t whole_ = 0;  // questions of the uninterrupted run
};

TEST_P(Stops, AtOneQuestion) {
  for (int64_t at = 1; at <= whole_; ++at) {
    SCOPED_TRACE(at);
    const std::string dir = "cut" + std::to_string(at);
    const Result stopped = run(dir, [&](int64_t n, Model&) { return n < at ? 0 : SIGTERM; });
    EXPECT_EQ(stopped.code, SIGTERM);
    EXPECT_EQ(run(dir).code, 0);
    expect_whole(dir);
    fs::remove_all(folder_ / dir);
  }
}

TEST_P(Stops, KilledAtOneQuestion) {
  for (int64_t at = 1; at <= whole_; ++at) {
    SCOPED_TRACE(at);
    const std::string dir = "killed" + std::to_string(at);
    EXPECT_THROW(run(dir,
                     [&](int64_t n, Model&) {
                       if (n == at) throw Killed();
                       return 0;
                     }),
                 Killed);
    EXPECT_EQ(run(dir).code, 0);
    expect_whole(dir);
    fs::remove_all(folder_ / dir);
  }
}

// Each process comes a few questions further and stops or is killed, in turns.
TEST_P(Stops, AgainAndAgain) {
  for (const int64_t further : {4, 5, 7}) {
    SCOPED_TRACE(further);
    const std::string dir = "often" + std::to_string(further);
    int processes = 0;
    for (int code = SIGTERM; code != 0; ++processes) {
      ASSERT_LT(processes, 50);
      code = run(dir, [&](int64_t n, Model&) { return n <= further ? 0 : SIGTERM; }).code;
      if (code == 0) break;
      // What follows a checkpoint is lost, and done once more.
      try {
        run(dir, [](int64_t n, Model&) {
          if (n == 4) throw Killed();
          return 0;
        });
      } catch (const Killed&) {
      }
    }
    EXPECT_GT(processes, 1);
    expect_whole(dir);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Stops,
    testing::Values(StopsCase{"each_epoch", {}},
                    StopsCase{"each_step",
                              {"training.evaluate_every=1", "training.log_every=20",
                               "training.checkpoint_every=3"}},
                    StopsCase{"checkpoints_between_lines",
                              {"training.evaluate_every=5", "training.checkpoint_every=2",
                               "training.log_every=20", "training.accumulation=2"}},
                    StopsCase{
                        "adapters",
                        {"training.lora.rank=4", "training.lora.dropout=0.1", "training.ema=0.9",
                         "training.evaluate_every=3", "training.checkpoint_every=2"}},
                    StopsCase{"lexical_bias",
                              {"model.lexical_bias=true", "training.evaluate_every=3",
                               "training.checkpoint_every=2"}},
                    StopsCase{"elastic",
                              {"training.elastic_independent_layers=[0, 2, 3]",
                               "data.validation=./one_batch.jsonl", "training.evaluate_every=3",
                               "training.checkpoint_every=2"}},
                    StopsCase{"distilled",
                              {"training.distill.teacher=./teacher", "training.distill.recombine=1",
                               "training.evaluate_every=3", "training.checkpoint_every=2"}},
                    StopsCase{"averaged",
                              {"training.ema=0.9", "training.evaluate_every=3",
                               "training.checkpoint_every=2"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace lait
