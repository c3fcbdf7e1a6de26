// What of the input lait-predict carries to its output, and that each line has its prediction.
#include <gmock/gmock.h>

#include "tests/eval/programs.h"

namespace lait {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

using PredictFields = Programs;

// A reader of the output takes "score" for the model's.
TEST_F(PredictFields, TheInputsFieldsAreNotTakenForThePredictions) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string line =
      "{\"segments\": [\"am\", \"bn\"], \"score\": 7, \"truncated\": true, \"id\": 1, "
      "\"scores\": null, \"label\": \"gold\"}";
  const ShellResult result = run(predict(checkpoint, write("in", line + "\n" + line + "\n")));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto out = Json::parse(lines_of(result.out).front());
  std::vector<std::string> names;
  for (const auto& [name, value] : out.items()) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("input_score", "input_truncated", "id", "input_scores",
                                          "label", "scores"));
  EXPECT_EQ(out.at("input_score"), 7);
  EXPECT_EQ(out.at("input_truncated"), true);
  EXPECT_NE(out.at("label"), "gold");
  EXPECT_THAT(result.err, HasSubstr("the input's field \"score\" is carried as \"input_score\"\n"));
  EXPECT_EQ(result.err.find("\"score\" is"), result.err.rfind("\"score\" is")) << "said once";
  const ShellResult both = run(predict(
      checkpoint, write("in", "{\"segments\": [\"am\"], \"score\": 7, \"input_score\": 8}\n")));
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, HasSubstr("in:1: expected at most one of the fields \"score\", which is "
                                  "carried as \"input_score\", and \"input_score\", got both"));
}

TEST_F(PredictFields, AnInputWithoutExamplesIsNamedForWhatItIs) {
  const std::string checkpoint = write_checkpoint(folder_ / "c", {.task = "mnli"}).string();
  const ShellResult result = run(predict(checkpoint, write("in.tsv", "sentence1\tsentence2\n")));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              HasSubstr("in.tsv: expected lines to predict, got a header without rows"));
}

// The training's files were a table; a service sends lines.
TEST_F(PredictFields, LinesWithSegmentsAreTakenWhateverTheTrainingDataWere) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  const std::string input = write("in.jsonl", to_text(tiny_lines(4, 7)));
  const ShellResult expected = run(predict(checkpoint, input));
  std::string lait_yaml = read_file(folder_ / "c/lait.yaml");
  lait_yaml.replace(lait_yaml.find("task: jsonl"), 11, "task: table");
  lait_yaml.replace(lait_yaml.find("data:\n"), 6,
                    "data:\n  format: tsv\n  columns: {segments: [question, answer]}\n");
  write_file(folder_ / "c/lait.yaml", lait_yaml);
  const ShellResult result = run(predict(checkpoint, input));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, expected.out);
}

TEST_F(PredictFields, NoLineIsSkippedWhateverTheTrainingAllowed) {
  const std::string checkpoint = write_checkpoint(folder_ / "c").string();
  std::string lait_yaml = read_file(folder_ / "c/lait.yaml");
  lait_yaml.replace(lait_yaml.find("data:\n"), 6, "data:\n  skip_bad_lines: 5\n");
  write_file(folder_ / "c/lait.yaml", lait_yaml);
  const ShellResult result =
      run(predict(checkpoint, write("in", "{\"segments\": [\"am\"]}\n{\"segments\": 1}\n")));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("in:2: expected \"segments\""));
}

}  // namespace
}  // namespace lait
