// What of the options is checked before a file is read.
#include "lait/data/read_options.h"

#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/data/labels.h"

namespace lait {
namespace {

TEST(NumSegments, IsTheTasksOrTheColumns) {
  const auto resolved = [](const DataConfig& data, const std::string& task) {
    try {
      return std::to_string(resolve_num_segments(data, find_task(task)));
    } catch (const UserError& error) {
      return std::string(error.what());
    }
  };
  const auto data = [](std::optional<int64_t> num_segments, const NameList& columns = {}) {
    DataConfig config;
    config.num_segments = num_segments;
    config.columns.segments = columns;
    return config;
  };
  EXPECT_EQ(resolved(data({}), "mnli"), "2");
  EXPECT_EQ(resolved(data(2), "mnli"), "2");
  EXPECT_EQ(resolved(data(3), "mnli"),
            "data.num_segments: expected 2, as task mnli has, got 3; leave it out");
  EXPECT_EQ(resolved(data({}), "jsonl"), "0");
  EXPECT_EQ(resolved(data(3), "jsonl"), "3");
  EXPECT_EQ(resolved(data({}, {"text"}), "table"), "1");
  EXPECT_EQ(resolved(data(2, {"text"}), "table"),
            "data.num_segments: expected 1, as data.columns.segments has, got 2; leave it out");
}

// A file's numbers mean the task's order, whatever a checkpoint's order is.
TEST(CountsOf, NumbersTheClassesAsFilesDo) {
  std::vector<Example> examples(3);
  examples[0].label = ClassLabel{0};
  examples[1].label = ClassLabel{0};
  examples[2].label = ClassLabel{2};
  const std::vector<std::string> checkpoint{"c", "b", "a"}, task{"a", "b", "c"};
  const std::vector<int64_t> counts = class_counts(examples, 3);
  EXPECT_EQ(counts_of(counts, checkpoint, task), "0 a 1, 1 b 0, 2 c 2");
  EXPECT_EQ(counts_of(counts, checkpoint, checkpoint), "0 c 2, 1 b 0, 2 a 1");
}

}  // namespace
}  // namespace lait
