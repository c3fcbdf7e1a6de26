// TensorBoard's event file of a run: TensorBoard's own reader finds the numbers of metrics.jsonl in
// it, also of a run that was stopped and resumed.
#include "train/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/oracles/python.h"
#include "tests/train/trained_here.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

class Events : public TrainedHere {
 protected:
  void SetUp() override {
    write_inputs(64, 20, 0, "steps: 12, checkpoint_every: 4, evaluate_every: 6, log_every: 1");
  }
  json read_events() {
    oracle::run("event_file.py",
                oracle::in_quotes(folder_ / "run/tensorboard") + " " +
                    oracle::in_quotes(folder_ / "events.json"),
                folder_ / "log.txt");
    return json::parse(read_file(folder_ / "events.json"));
  }
  // What metrics.jsonl says, as the reader gives it.
  json expected() {
    json out;
    LineReader reader(folder_ / "run/metrics.jsonl");
    while (const auto line = reader.next()) {
      const json values = json::parse(*line);
      for (const auto& [name, value] : values.items()) {
        if (!value.is_number() || name == "step" || name == "time") continue;
        out[values["split"].get<std::string>() + "/" + name].push_back(
            {values["step"], values["time"], value.get<float>()});
      }
    }
    return out;
  }
};

TEST_F(Events, AreTheNumbersOfTheLog) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const double before = unix_seconds();
  ASSERT_EQ(run("run").code, 0);
  const json events = read_events();
  EXPECT_EQ(events, expected());
  EXPECT_EQ(events.at("train/loss").size(), 12u);
  EXPECT_EQ(events.at("validation/accuracy").size(), 2u);
  const double time = events.at("train/loss")[0][1];
  EXPECT_GE(time, before);
  EXPECT_LE(time, unix_seconds());
}

// The run that is killed has written lines of which no checkpoint knows.
TEST_F(Events, OfAResumedRunAreTheLinesThatItKept) {
  LAIT_SKIP_WITHOUT_ORACLE();
  struct Killed {};
  EXPECT_THROW(run("run",
                   [](int64_t asked, Model&) -> int {
                     if (asked >= 12) throw Killed();
                     return 0;
                   }),
               Killed);
  const json before = read_events();
  EXPECT_EQ(before, expected());
  const fs::path folder = folder_ / "run/tensorboard";
  write_file(folder / "events.out.tfevents.1.lait.writing", "left");
  write_file(folder / "mine", "mine");
  ASSERT_EQ(run("run").code, 0);
  const json after = read_events();
  EXPECT_EQ(after, expected());
  EXPECT_EQ(after.at("train/loss").size(), 12u) << "no step is there twice";
  EXPECT_EQ(after.at("train/loss")[7], before.at("train/loss")[7]);
  EXPECT_NE(after.at("train/loss")[8], before.at("train/loss")[8]) << "of a later time";
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder))
    files.push_back(entry.path().filename().string());
  EXPECT_THAT(files, testing::UnorderedElementsAre(
                         "mine", testing::MatchesRegex("events\\.out\\.tfevents\\..*\\.lait")));
}

}  // namespace
}  // namespace lait
