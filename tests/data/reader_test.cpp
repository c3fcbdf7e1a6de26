// Files of one's own: formats, columns, labels in other words, and what is refused. tasks_test.cpp
// has the tasks' native files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "lait/data/labels.h"
#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Reader = Tasks;

const DataColumns kQuestions{.segments = {"question", "answer"}, .label = "gold"};
const DataColumns kKeyed{.segments = {"question", "answer"}, .label = "gold", .id = "key"};

TEST_F(Reader, CsvHasQuotesSeparatorsAndLineBreaksInItsFields) {
  for (const char separator : {',', ';', '\t'}) {
    std::string text =
        "\"key\",\"question\",\"answer\",\"gold\"\r\n"
        "1,\"a \"\"b\"\"\n\n c\",\" d \",yes\r\n"
        "\n"
        "2,e,,no";
    for (char& c : text) c = c == ',' ? separator : c;
    const auto examples = read("table", write("t", text), {.columns = kKeyed});
    ASSERT_EQ(examples.size(), 2u) << separator;
    EXPECT_THAT(examples[0].segments, ElementsAre("a \"b\"\n\n c", " d "));
    EXPECT_EQ(examples[0].label_text, "yes");
    EXPECT_EQ(examples[0].id, "1");
    EXPECT_EQ(examples[0].origin.line, 2);
    EXPECT_THAT(examples[1].segments, ElementsAre("e", ""));
    EXPECT_EQ(examples[1].origin.line, 6);
  }
}

TEST_F(Reader, MalformedCsvIsNamedAndSkippedOneRecordAtATime) {
  const std::string text = "question,answer,gold\na \"b\" c,d,yes\ne,f,no\ng,h\ni,j,yes\n";
  expect_error("table", text, ":2: expected CSV, whose quotes enclose a whole field",
               {.columns = kQuestions});
  EXPECT_EQ(read("table", write("t", text), {.columns = kQuestions, .skip_bad_lines = 2}).size(),
            2u);
  EXPECT_EQ(counts_.bad_lines, 2);
  expect_error("table", "question,answer,gold\ne,f,no\na,\"b,yes\nc,d,no\n",
               ":3: expected a closing quote, got the end of the file", {.columns = kQuestions});
  expect_error("table", "question,answer,gold\ne,f\n",
               ":2: expected 3 comma-separated columns, got 2", {.columns = kQuestions});
}

// A tab-separated table in which quotes enclose fields is recognised by its header, and otherwise
// refused: its quotes would become text.
TEST_F(Reader, QuotesOfATabSeparatedTableAreTextOrCsvButNeverBoth) {
  const std::string text = "question\tanswer\tgold\na \"b\tc\tyes\n\"d \"\"e\"\"\"\tf\tno\n";
  expect_error("table", text,
               ":3: expected quotes that are part of the text, got '\"d \"\"e\"\"\"', which looks "
               "like CSV's; set data.format: csv if quotes enclose fields, tsv if they are text",
               {.columns = kQuestions});
  const auto as_text =
      read("table", write("t", text), {.format = FileFormat::kTsv, .columns = kQuestions});
  EXPECT_EQ(as_text[1].segments[0], "\"d \"\"e\"\"\"");
  const std::string quoted = "question\tanswer\tgold\n\"d \"\"e\"\"\"\t\"f\ng\"\tno\n";
  const auto as_csv =
      read("table", write("t", quoted), {.format = FileFormat::kCsv, .columns = kQuestions});
  EXPECT_THAT(as_csv[0].segments, ElementsAre("d \"e\"", "f\ng"));
  expect_error("table", "question\tanswer\tgold\na\t\"b\nc\"\tyes\n",
               "(if quotes enclose fields with line breaks, set data.format: csv)",
               {.columns = kQuestions});
}

TEST_F(Reader, ColumnsAreNamesOrNumbersAndAnyTaskTakesThem) {
  const std::string table = "key\tgold\tanswer\tquestion\n1\t2\tb\ta\n";
  const auto mnli = read("mnli", write("t", table), {.columns = kKeyed});
  EXPECT_THAT(mnli[0].segments, ElementsAre("a", "b"));
  EXPECT_EQ(mnli[0].label, Label(ClassLabel{2}));
  EXPECT_EQ(mnli[0].id, "1");
  const auto lines =
      read("table", write("j", "{\"question\": \"a\", \"answer\": \"b\", \"gold\": 1}\n"),
           {.columns = kQuestions});
  EXPECT_THAT(lines[0].segments, ElementsAre("a", "b"));
  const auto numbered = read("table", write("n", "a,b,yes\nc,d,no\n"),
                             {.columns = {.segments = {"2", "1"}, .label = "3"}});
  ASSERT_EQ(numbered.size(), 2u);
  EXPECT_THAT(numbered[0].segments, ElementsAre("b", "a"));
  expect_error("table", "question,answer,label\na,b,yes\n",
               ":1: expected a header with the column gold, got 'question answer label'; name the "
               "columns in data.columns",
               {.columns = kQuestions});
  // A file without a header is not read as if its first example were one.
  expect_error("mnli", "a\tb\tneutral\nc\td\tneutral\n",
               ":1: expected a header with the column premise or sentence1, got 'a b neutral'; "
               "name the columns in data.columns, e.g. {segments: [question, answer], label: "
               "gold}, or their numbers if the file has no header");
  expect_error("jsonl", "segments,label\na,b\n", ":1: expected a JSON object");
}

// What the options name is in the file, and means one thing.
TEST_F(Reader, ColumnsAreThereOnceAndUsed) {
  DataColumns columns = kQuestions;
  columns.id = "nosuch";
  const std::string table = "question,answer,gold\na,b,yes\n",
                    line = "{\"question\": \"a\", \"answer\": \"b\", \"gold\": \"yes\"}\n";
  expect_error("table", table,
               ":1: expected a header with the column nosuch, got 'question answer gold'",
               {.columns = columns});
  expect_error("table", line, ":1: expected the field \"nosuch\" (data.columns.id), got none",
               {.columns = columns});
  const DataColumns numbers{.segments = {"1", "2"}, .label = "3"};
  expect_error("table", table,
               ":1: expected a table without a header, whose columns data.columns gives by number, "
               "got the header 'question answer gold'; give its names in data.columns, or remove "
               "that line",
               {.columns = numbers});
  EXPECT_EQ(
      read("table", write("n", "An answer.,label,yes\nb,c,no\n"), {.columns = numbers}).size(), 2u);
  const auto problem = [](const DataColumns& wrong, const std::string& task) {
    try {
      check_options({.columns = wrong}, find_task(task), LabelKind::kClass);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(problem({.segments = {"a", "b"}, .label = "b"}, "table"),
            "data.columns: expected each column once, got 'b' twice");
  EXPECT_EQ(problem({.segments = {"a", "a"}}, "table"),
            "data.columns: expected each column once, got 'a' twice");
  EXPECT_EQ(problem({.segments = {"a"}, .label = "b", .id = "b"}, "table"),
            "data.columns: expected each column once, got 'b' twice");
  EXPECT_EQ(problem({.segments = {"question", "answer"}}, "boolq"),
            "data.columns: expected each column once, got 'answer' twice: it is a name of the "
            "label; name the label's column in data.columns.label");
  EXPECT_EQ(problem({.label = "sentence1"}, "mnli"),
            "data.columns: expected each column once, got 'sentence1' twice");
  EXPECT_EQ(problem(kQuestions, "boolq"), "");
  for (const Task* task : all_tasks()) {
    if (!task->needs_columns()) {
      EXPECT_EQ(problem({}, task->name()), "");
    }
  }
}

TEST_F(Reader, LinesOfOnesOwnMayHaveGroups) {
  const std::string line = "{\"question\": \"a\", \"answer\": \"b\", \"gold\": 1, \"groups\": ";
  const auto examples = read("table", write("j", line + "[0, 1]}\n"), {.columns = kQuestions});
  EXPECT_THAT(examples[0].groups, ElementsAre(0, 1));
  expect_error("table", line + "[1, 1]}\n", ":1: expected \"groups\": a whole number",
               {.columns = kQuestions});
}

TEST_F(Reader, LabelsInOtherWordsAreThoseOfTheTask) {
  const std::string pairs[] = {"\"Entailment\"", "0", "\"0\"", "0.0", "\"ENTAILMENT\""};
  for (const std::string& label : pairs) {
    const auto examples =
        read("mnli", write("n", "{\"sentence1\": \"p\", \"sentence2\": \"h\", \"label\": " + label +
                                    ", \"idx\": 4}\n"));
    ASSERT_EQ(examples.size(), 1u) << label;
    EXPECT_EQ(examples[0].label, Label(ClassLabel{0})) << label;
    EXPECT_EQ(examples[0].id, "4");
  }
  const auto known =
      read("mnli", write("n",
                         "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 1}\n"
                         "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": null}\n"
                         "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": -1}\n"
                         "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": \"-1\"}\n"));
  EXPECT_EQ(known.size(), 1u);
  EXPECT_EQ(counts_.unlabelled, 3);
  // Where labels come from the data, -1 is a label, e.g. of sentiment.
  EXPECT_EQ(read("jsonl", write("j",
                                "{\"segments\": [\"a\"], \"label\": -1}\n"
                                "{\"segments\": [\"a\"], \"label\": null}\n"))
                .size(),
            1u);
  EXPECT_EQ(counts_.unlabelled, 1);
  expect_error("stsb", "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"label\": null}\n",
               "expected text or a number in the field \"label\", got null");
}

TEST_F(Reader, ALabelMapSaysWhatTheFilesLabelsMean) {
  const ReadOptions options{.label_map = {{"0", "contradiction"}, {"ja", "entailment"}}};
  const auto examples =
      read("mnli",
           write("n",
                 "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 0.0}\n"
                 "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": \"ja\"}\n"
                 "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": \"neutral\"}\n"),
           options);
  EXPECT_EQ(examples[0].label, Label(ClassLabel{2}));
  EXPECT_EQ(examples[1].label, Label(ClassLabel{0}));
  EXPECT_EQ(examples[2].label, Label(ClassLabel{1}));
  // Of a file whose numbers the map explains, another number is no index in the task's order.
  for (const char* label : {"1", "\"2\"", "2.0"}) {
    expect_error(
        "mnli",
        "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": " + std::string(label) + "}\n",
        ":1: expected a number that data.label_map has, got '", options);
    expect_error("jsonl", "{\"segments\": [\"a\"], \"label\": " + std::string(label) + "}\n",
                 "; say there what it means", options);
  }
  EXPECT_EQ(read("mnli", write("n", "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 2}\n"),
                 {.label_map = {{"ja", "entailment"}}})[0]
                .label,
            Label(ClassLabel{2}));
  const auto own = read("jsonl", write("j", "{\"segments\": [\"a\"], \"label\": 0}\n"), options);
  EXPECT_EQ(own[0].label_text, "contradiction");
  const auto problem = [](const ReadOptions& wrong, const Task& task, LabelKind kind) {
    try {
      check_options(wrong, task, kind);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(problem({.label_map = {{"0", "contradicton"}}}, find_task("mnli"), LabelKind::kClass),
            "data.label_map: expected labels of {entailment, neutral, contradiction}, got "
            "'contradicton' (did you mean contradiction?)");
  EXPECT_THAT(problem(options, find_task("stsb"), LabelKind::kNumber), HasSubstr("data.label_map"));
  EXPECT_EQ(problem({.columns = {.segments = {"a"}}}, find_task("mnli"), LabelKind::kClass),
            "data.columns.segments: expected 2 columns (premise, hypothesis), got 1");
  EXPECT_THAT(problem({}, find_task("table"), LabelKind::kClass),
              HasSubstr("data.columns.segments: expected the columns with the segments"));
}

TEST_F(Reader, LabelsThatLookAlikeAreRefusedWithTheirLines) {
  const auto refused = [&](const std::string& first, const std::string& second) {
    const std::string file = write("j", "{\"segments\": [\"a\"], \"label\": " + first +
                                            "}\n{\"segments\": [\"b\"], \"label\": \"other\"}\n"
                                            "{\"segments\": [\"c\"], \"label\": " +
                                            second + "}\n");
    try {
      label_set(read("jsonl", file));
    } catch (const UserError& error) {
      return std::string(error.what()).substr(file.size());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refused("0", "0.0"), HasSubstr(":3: expected labels that differ clearly, got '0.0' "
                                             "and, at "));
  EXPECT_THAT(refused("0", "0.0"), HasSubstr("j:1, '0'; write them alike"));
  for (const auto& [a, b] : {std::pair{"true", "\"True\""},
                             {"\"x\"", "\"x \""},
                             {"1", "1.00"},
                             {"\"007\"", "7"},
                             {"1e2", "100"}})
    EXPECT_THAT(refused(a, b), HasSubstr("differ clearly")) << a << b;
  EXPECT_EQ(refused("1", "\"1\""), "accepted");
  EXPECT_EQ(refused("\"x\"", "\"y\""), "accepted");
}

TEST_F(Reader, RealTablesHaveTheirCounts) {
  const char* data = std::getenv("LAIT_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAIT_TEST_DATA is not set";
  const std::string root = data;
  // Articles of several lines each.
  const auto bodies = read("table", root + "/fnc1/train_bodies.csv.gz",
                           {.columns = {.segments = {"articleBody"}, .label = "Body ID"}});
  EXPECT_EQ(bodies.size(), 1683u);
  EXPECT_THAT(bodies[0].segments[0], testing::ContainsRegex("\n"));
  const auto stances = read("table", root + "/fnc1/train_stances.csv.gz",
                            {.columns = {.segments = {"Headline"}, .label = "Stance"}});
  EXPECT_EQ(stances.size(), 49972u);
  EXPECT_THAT(label_set(stances), ElementsAre("agree", "disagree", "discuss", "unrelated"));
}

}  // namespace
}  // namespace lait
