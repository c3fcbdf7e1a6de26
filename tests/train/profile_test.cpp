// lait-train --profile: the trace has the operators of the steps that were asked for, the training
// is the same, and a run with fewer steps writes what there is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/train/tiny_run.h"

namespace lait {
namespace {

using testing::HasSubstr;

class Profile : public TinyRun {
 protected:
  void SetUp() override { write_inputs(64, 20, 0, "steps: 8, evaluate_every: 5, log_every: 1"); }
  // How often the trace has each name.
  std::map<std::string, int> names() {
    std::map<std::string, int> out;
    const auto trace = nlohmann::json::parse(read_file(folder_ / "run/profile.json"));
    for (const auto& event : trace.at("traceEvents")) {
      if (event.value("ph", "") == "X") ++out[event.at("name").get<std::string>()];
    }
    return out;
  }
};

TEST_F(Profile, HasTheOperatorsOfItsStepsAndChangesNothing) {
  const ShellResult result = train_into("run", "--profile 3");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("profile of 3 of 3 steps: " + path("run/profile.json") + " "));
  EXPECT_THAT(result.err, testing::Not(HasSubstr("ERROR")));
  auto found = names();
  for (const char* step : {"ProfilerStep#3", "ProfilerStep#4", "ProfilerStep#5"})
    EXPECT_EQ(found[step], 1) << step;
  EXPECT_EQ(found.count("ProfilerStep#2") + found.count("ProfilerStep#6"), 0u);
  // 4 layers; the evaluation between the steps is not there.
  EXPECT_EQ(found["lait::segment_attention"], 3 * 4);
  EXPECT_EQ(found["lait::segment_attention_backward"], 3 * 4);
  ASSERT_EQ(train_into("plain", "").code, 0);
  for (const char* file : {"best/model.safetensors", "checkpoints/step-8/optimizer.safetensors"})
    EXPECT_TRUE(same_bytes(folder_ / "run" / file, folder_ / "plain" / file)) << file;
  EXPECT_EQ(metrics_without_times(folder_ / "run"), metrics_without_times(folder_ / "plain"));
}

TEST_F(Profile, OfFewerStepsIsWhatThereIs) {
  EXPECT_THAT(train_into("run", "--profile 100").err, HasSubstr("profile of 5 of 100 steps: "));
  auto found = names();
  EXPECT_EQ(found["lait::segment_attention"], 5 * 4);
  const ShellResult none = train_into("short", "--profile 1 --set training.steps=2");
  EXPECT_EQ(none.code, 0) << none.err;
  EXPECT_THAT(none.err, HasSubstr("no profile: it begins after 3 steps"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "short/profile.json"));
}

}  // namespace
}  // namespace lait
