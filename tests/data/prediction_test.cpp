// Files read for prediction: which are taken beside the task's, and what is carried through.
#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::HasSubstr;

class PredictionFiles : public Tasks {
 protected:
  // The segments and the carried fields of each example, or the error's text without the folder.
  std::string carried(const std::string& task, const std::string& text, ReadOptions options = {}) {
    options.purpose = ReadFor::kPrediction;
    std::string out;
    try {
      ExampleReader reader(find_task(task), LineReader(std::filesystem::path(write("p", text))),
                           options);
      Record::Json others;
      while (const auto example = reader.next(&others))
        out += testing::PrintToString(example->segments) + others.dump() + "\n";
    } catch (const UserError& error) {
      return std::string(error.what()).substr(folder_.path().string().size() + 1);
    }
    return out;
  }
};

const DataColumns kQuestions{.segments = {"question", "answer"}, .label = "gold", .id = "key"};

TEST_F(PredictionFiles, LabelsAreNotReadAndOtherFieldsAreCarried) {
  EXPECT_EQ(carried("mnli", "index\tsentence1\tsentence2\n0\tp\th\n"),
            "{ \"p\", \"h\" }{\"index\":\"0\"}\n");
  EXPECT_EQ(carried("mnli",
                    "{\"note\": [1], \"segments\": [\"p\", \"h\"], \"id\": \"\", \"label\": 7}\n"),
            "{ \"p\", \"h\" }{\"note\":[1],\"id\":\"\"}\n");
  EXPECT_EQ(carried("boolq", "{\"question\": \"q\", \"title\": \"t\", \"passage\": \"p\"}\n"),
            "{ \"q\", \"p\" }{\"title\":\"t\"}\n");
}

// A service sends such lines, however the training's files were written.
TEST_F(PredictionFiles, LinesWithSegmentsAreTakenWhateverTheTrainingDataWere) {
  const std::string lines = "{\"segments\": [\"p\", \"h\"], \"note\": 1}\n",
                    expected = "{ \"p\", \"h\" }{\"note\":1}\n";
  EXPECT_EQ(carried("mnli", lines, {.format = FileFormat::kTsv}), expected);
  EXPECT_EQ(carried("mnli", lines, {.format = FileFormat::kCsv}), expected);
  EXPECT_EQ(carried("mnli", lines, {.columns = kQuestions}), expected);
  EXPECT_EQ(carried("table", lines, {.columns = kQuestions}), expected);
  EXPECT_EQ(carried("table", lines, {.format = FileFormat::kCsv, .columns = kQuestions}), expected);
  EXPECT_EQ(carried("jsonl", lines, {.columns = {.segments = {"1", "2"}}}), expected);
  // The training's own lines and tables still are.
  EXPECT_EQ(carried("table", "{\"question\": \"p\", \"answer\": \"h\", \"key\": 1}\n",
                    {.format = FileFormat::kCsv, .columns = kQuestions}),
            "{ \"p\", \"h\" }{\"key\":1}\n");
  EXPECT_EQ(carried("table", "question\tanswer\n\"p\"\t\"h \"\"i\"\"\"\n",
                    {.format = FileFormat::kCsv, .columns = kQuestions}),
            "{ \"p\", \"h \\\"i\\\"\" }{}\n");
  EXPECT_EQ(carried("table", "{\"segments\": \"p\", \"answer\": \"h\"}\n",
                    {.columns = {.segments = {"segments", "answer"}}}),
            "{ \"p\", \"h\" }{}\n");
}

TEST_F(PredictionFiles, FieldsThatAreNearlyOursAreCarriedToo) {
  EXPECT_EQ(carried("jsonl", "{\"segments\": [\"p\"], \"lable\": 1, \"group\": \"a\"}\n"),
            "{ \"p\" }{\"lable\":1,\"group\":\"a\"}\n");
  // A label of another name than the training's is another field.
  EXPECT_EQ(carried("table", "{\"segments\": [\"p\", \"h\"], \"gold\": 1, \"label\": 2}\n",
                    {.columns = kQuestions}),
            "{ \"p\", \"h\" }{\"label\":2}\n");
  EXPECT_EQ(carried("table", "{\"question\": \"p\", \"answer\": \"h\", \"groups\": [0, 1]}\n",
                    {.columns = kQuestions}),
            "{ \"p\", \"h\" }{}\n");
}

// Nothing that is carried is lost or rounded.
TEST_F(PredictionFiles, CarriedFieldsAreWhole) {
  EXPECT_EQ(carried("mnli", ",sentence1,sentence2,\n7,p,h,x\n"),
            "{ \"p\", \"h\" }{\"1\":\"7\",\"4\":\"x\"}\n");
  EXPECT_EQ(
      carried(
          "jsonl",
          "{\"segments\": [\"1234567890123456789012\"], \"a\": 18446744073709551615, "
          "\"b\": -9223372036854775808, \"c\": 1.5e300, \"d\": \"\\\"12345678901234567890123\"}\n"),
      "{ \"1234567890123456789012\" }{\"a\":18446744073709551615,"
      "\"b\":-9223372036854775808,\"c\":1.5e+300,\"d\":\"\\\"12345678901234567890123\"}\n");
  for (const std::string number :
       {"18446744073709551616", "-9223372036854775809", "-18446744073709551615"}) {
    EXPECT_THAT(carried("jsonl", "{\"segments\": [\"a\"], \"a\": [" + number + "]}\n"),
                HasSubstr("p:1: expected whole numbers of at most 64 bits, got '" +
                          number.substr(number[0] == '-' ? 1 : 0) +
                          "', which would be rounded; put quotes around it"))
        << number;
  }
}

TEST_F(PredictionFiles, MessagesNameWhatPredictionCanDo) {
  EXPECT_EQ(carried("mnli", "sentence1\tsentence2\np\t\"h \"\"i\"\"\"\n"),
            "p:2: expected quotes that are part of the text, got '\"h \"\"i\"\"\"', which looks "
            "like CSV's; give the examples as {\"segments\": [\"…\", \"…\"]} lines, or set "
            "data.format in the checkpoint's lait.yaml: csv if quotes enclose fields, tsv if they "
            "are text");
  EXPECT_THAT(
      carried("mnli", "sentence1\tsentence2\np\t\"h\ni\"\n"),
      HasSubstr("p:3: expected 2 tab-separated columns, got 1; expected are {\"segments\": "));
  EXPECT_EQ(carried("mnli", "a\tb\np\th\n"),
            "p:1: expected a header with the column premise or sentence1, got 'a b'; other files "
            "are read as {\"segments\": [\"…\", \"…\"]} lines");
}

}  // namespace
}  // namespace lait
