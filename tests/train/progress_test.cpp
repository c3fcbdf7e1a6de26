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

TEST(Progress, TellsSpeedAndItsShareOfTheProduct) {
  testing::internal::CaptureStderr();
  Progress progress(Says::kAll, /*line_seconds=*/0);
  ProgressState state{.step = 20,
                      .total_steps = 80,
                      .epoch = 0.5,
                      .total_epochs = 2,
                      .loss = 1.25,
                      .examples_per_s = 65.2,
                      .tokens_per_s = 2310,
                      .flops_per_s = 41.6e9,
                      .gemm_flops_per_s = 80e9,
                      .seconds_left = 125};
  progress.update(state);
  state.metric = "accuracy 0.7312";
  state.flops_per_s = 123.4e12;
  state.gemm_flops_per_s = 0;
  progress.update(state);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "step 20/80  epoch 0.50/2  loss 1.2500  65 examples/s  2310 tokens/s  42 GFLOP/s (52 % "
            "of GEMM)  2:05 left\n"
            "step 20/80  epoch 0.50/2  loss 1.2500  accuracy 0.7312  65 examples/s  2310 tokens/s  "
            "123.4 TFLOP/s  2:05 left\n");
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
