// A task whose examples have different numbers of segments trains without being told so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/tiny_run.h"

namespace lait {
namespace {

class VaryingSegments : public TinyRun {};

TEST_F(VaryingSegments, OfBoolQInPiecesTrainAndAreEvaluated) {
  write_inputs(1, 1, 0, "steps: 2");
  std::string text;
  for (int i = 0; i < 24; ++i) {
    text += "{\"question\": \"am bn\", \"passage\": \"Am bn co. ";
    for (int piece = 0; piece < i % 3; ++piece) text += "Dp am co. ";
    text += "\", \"answer\": " + std::string(i % 2 == 0 ? "true" : "false") + "}\n";
  }
  write_file(folder_ / "pieces.jsonl", text);
  const ShellResult result =
      train_into("run", "--set task=boolq_split --set data.train=" + path("pieces.jsonl") +
                            " --set data.validation=" + path("pieces.jsonl"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(read_file(folder_ / "run/config.yaml"), testing::HasSubstr("num_segments: 0"));
  const ShellResult evaluated = shell(program("lait-eval") + " --checkpoint " + path("run") +
                                      " --data " + path("pieces.jsonl"));
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
}

}  // namespace
}  // namespace lait
