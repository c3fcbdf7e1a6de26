// The lines of progress: whole fields on a narrow terminal, news now and then in a pipe.
#include "train/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lait {
namespace {

const std::vector<ProgressField> kFields{{0, "step 12/3456"},
                                         {4, "epoch 0.01/3"},
                                         {2, "loss 0.6931"},
                                         {3, "98 examples/s"},
                                         {1, "1:05 left"}};

TEST(ProgressLine, LeavesOutWholeFieldsTheLeastImportantFirst) {
  const auto at = [](size_t columns) { return progress_line(kFields, 0.5, columns); };
  EXPECT_EQ(at(80),
            "[======      ] step 12/3456  epoch 0.01/3  loss 0.6931  98 examples/s  1:05 left");
  EXPECT_EQ(at(65), "step 12/3456  epoch 0.01/3  loss 0.6931  98 examples/s  1:05 left");
  EXPECT_EQ(at(64), "[=====     ] step 12/3456  loss 0.6931  98 examples/s  1:05 left");
  EXPECT_EQ(at(50), "[=====      ] step 12/3456  loss 0.6931  1:05 left");
  EXPECT_EQ(at(36), "step 12/3456  loss 0.6931  1:05 left");
  EXPECT_EQ(at(35), "[====     ] step 12/3456  1:05 left");
  EXPECT_EQ(at(23), "step 12/3456  1:05 left");
  EXPECT_EQ(at(22), "[===    ] step 12/3456");
  EXPECT_EQ(at(12), "step 12/3456");
  EXPECT_EQ(at(11), "");
  EXPECT_EQ(at(0), "");
  for (size_t columns = 0; columns < 120; ++columns) EXPECT_LE(at(columns).size(), columns);
}

TEST(ProgressLine, ABarIsFullAtTheEndAndNeverFuller) {
  EXPECT_EQ(progress_line({{0, "x"}}, 1, 10), "[======] x");
  EXPECT_EQ(progress_line({{0, "x"}}, 2, 10), "[======] x");
  EXPECT_EQ(progress_line({{0, "x"}}, 0, 100), "[" + std::string(30, ' ') + "] x");
}

// Standard error of a test is a file.
TEST(Progress, AnEvaluationTellsAPipeHowFarItIs) {
  testing::internal::CaptureStderr();
  Progress often(Says::kAll, /*line_seconds=*/0);
  often.evaluation("validation", 64, 200);
  often.evaluation("validation", 128, 200);
  Progress seldom(Says::kAll, /*line_seconds=*/1000);
  for (int i = 1; i <= 3; ++i) seldom.evaluation("best model, test", i, 3);
  Progress quiet(Says::kWarnings, /*line_seconds=*/0);
  quiet.evaluation("validation", 64, 200);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "validation  64/200 examples\nvalidation  128/200 examples\n"
            "best model, test  1/3 examples\n");
}

}  // namespace
}  // namespace lait
