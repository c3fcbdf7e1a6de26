// The tasks' readers: native formats, and the counts of the real files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>

#include "lait/data/labels.h"
#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::ElementsAre;

TEST_F(Tasks, SickTakesQuotesAsText) {
  const auto examples = read(
      "sick",
      write(
          "s",
          "\xEF\xBB\xBFpair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\r\n"
          "7\tA \"man\tis\" here\t4.5\tNEUTRAL\r\n8\ta\tb\t1\tCONTRADICTION"));
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[0].segments, ElementsAre("A \"man", "is\" here"));
  EXPECT_EQ(examples[0].label, Label(ClassLabel{1}));
  EXPECT_EQ(examples[0].id, "7");
  EXPECT_EQ(examples[1].label, Label(ClassLabel{2}));
}

TEST_F(Tasks, TheCompleteSickIsReadToo) {
  const auto examples = read("sick", write("s",
                                           "pair_ID\tsentence_A\tsentence_B\tentailment_"
                                           "label\trelatedness_score\n1\ta\tb\tENTAILMENT\t5\n"));
  ASSERT_EQ(examples.size(), 1u);
  EXPECT_EQ(examples[0].label, Label(ClassLabel{0}));
}

TEST_F(Tasks, BlankLinesBeforeTheFirstOneAreNoHeader) {
  EXPECT_EQ(
      read("mnli", write("n", "\n \n{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 0}\n"))
          .size(),
      1u);
  expect_error(
      "mnli", "\n{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 0}\n{\"premise\": \"p\"}\n",
      ":3: expected the field \"hypothesis\", got none");
}

TEST_F(Tasks, NliReadsItsThreeFormatsAndCountsPairsWithoutGoldLabel) {
  for (const std::string& text :
       {std::string("{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": "
                    "\"neutral\"}\n{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": -1}\n"),
        std::string(
            "{\"sentence1\": \"p\", \"sentence2\": \"h\", \"gold_label\": "
            "\"neutral\"}\n{\"sentence1\": \"p\", \"sentence2\": \"h\", \"gold_label\": \"-\"}\n"),
        std::string("index\tsentence1\tsentence2\tgold_label\n0\tp\th\tneutral\n1\tp\th\t-\n")}) {
    const auto examples = read("mnli", write("n", text));
    ASSERT_EQ(examples.size(), 1u) << text;
    EXPECT_THAT(examples[0].segments, ElementsAre("p", "h"));
    EXPECT_EQ(examples[0].label, Label(ClassLabel{1}));
    EXPECT_EQ(counts_.unlabelled, 1);
  }
}

TEST_F(Tasks, RteReadsGluesTableAndJsonLines) {
  for (const std::string& text :
       {std::string("index\tsentence1\tsentence2\tlabel\n0\tp \"x\th\tnot_entailment\n"),
        std::string("{\"premise\": \"p \\\"x\", \"hypothesis\": \"h\", \"label\": "
                    "\"not_entailment\", \"idx\": 0}\n"),
        std::string("{\"premise\": \"p \\\"x\", \"hypothesis\": \"h\", \"label\": 1}\n")}) {
    const auto examples = read("rte", write("r", text));
    ASSERT_EQ(examples.size(), 1u);
    EXPECT_THAT(examples[0].segments, ElementsAre("p \"x", "h"));
    EXPECT_EQ(examples[0].label, Label(ClassLabel{1}));
  }
  expect_error("rte", "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 2}\n",
               "expected a label index from 0 to 1, got 2");
}

TEST_F(Tasks, BoolQTakesTheAnswerInEveryFormThatIsAbout) {
  const auto examples =
      read("boolq",
           write("b",
                 "{\"question\": \"q\", \"title\": \"t\", \"answer\": true, \"passage\": \"p\"}\n"
                 "{\"question\": \"q\", \"passage\": \"p\", \"label\": false, \"idx\": 7}\n"
                 "{\"question\": \"q\", \"passage\": \"p\", \"answer\": \"True\"}\n"
                 "{\"question\": \"q\", \"passage\": \"p\", \"answer\": 0}\n"));
  ASSERT_EQ(examples.size(), 4u);
  EXPECT_THAT(examples[0].segments, ElementsAre("q", "p"));
  EXPECT_EQ(examples[0].label, Label(ClassLabel{1}));
  EXPECT_EQ(examples[1].label, Label(ClassLabel{0}));
  EXPECT_EQ(examples[1].id, "7");
  EXPECT_EQ(examples[2].label, Label(ClassLabel{1}));
  EXPECT_EQ(examples[3].label, Label(ClassLabel{0}));
  expect_error("boolq", "{\"question\": \"q\", \"passage\": \"p\", \"answer\": \"maybe\"}\n",
               ":1: expected a label of {no, yes}, got 'maybe'");
  expect_error("boolq", "{\"question\": \"q\", \"passage\": \"p\"}\n",
               ":1: expected the field \"answer\", got none");
}

TEST_F(Tasks, VitaminCReadsClaimAndEvidence) {
  const auto examples = read("vitaminc", write("v",
                                               "{\"unique_id\": \"a_1\", \"label\": \"NOT ENOUGH "
                                               "INFO\", \"claim\": \"c\", \"evidence\": \"e\"}\n"));
  ASSERT_EQ(examples.size(), 1u);
  EXPECT_THAT(examples[0].segments, ElementsAre("c", "e"));
  EXPECT_EQ(examples[0].label, Label(ClassLabel{2}));
  EXPECT_EQ(examples[0].id, "a_1");
  expect_error("vitaminc", "{\"label\": \"SUPPORTS\", \"claim\": \"c\"}\n",
               ":1: expected the field \"evidence\", got none");
  expect_error("vitaminc", "{\"label\": \"supported\", \"claim\": \"c\", \"evidence\": \"e\"}\n",
               "expected a label of {SUPPORTS, REFUTES, NOT ENOUGH INFO}, got 'supported'");
}

TEST_F(Tasks, StsBReadsGluesTableAndTheFilesWithoutHeader) {
  const auto glue = read(
      "stsb",
      write("g", "index\tgenre\tsentence1\tsentence2\tscore\n3\tcaptions\tA \"man\tB\t2.600\n"));
  ASSERT_EQ(glue.size(), 1u);
  EXPECT_THAT(glue[0].segments, ElementsAre("A \"man", "B"));
  EXPECT_EQ(glue[0].label, Label(NumberLabel{2.6}));
  EXPECT_EQ(glue[0].id, "3");
  const auto original =
      read("stsb", write("o",
                         "captions\tMSRvid\t2012test\t0001\t5."
                         "000\tA\tB\nnews\theadlines\t2013\t0002\t0\tC\tD\tsource\tsource\n"));
  ASSERT_EQ(original.size(), 2u);
  EXPECT_THAT(original[1].segments, ElementsAre("C", "D"));
  EXPECT_EQ(original[0].label, Label(NumberLabel{5}));
  expect_error("stsb", "index\tsentence1\tsentence2\tscore\n0\ta\tb\t5.1\n",
               ":2: expected a score from 0 to 5, got '5.1'");
  expect_error("stsb", "index\tsentence1\tsentence2\tscore\n0\ta\tb\tnan\n",
               ":2: expected a score from 0 to 5, got 'nan'");
  expect_error("stsb", "a\tb\tc\td\t1\te\tf\na\tb\n",
               ":2: expected 7 to 9 tab-separated columns, got 2");
  expect_error("stsb", "a\tb\n", ":1: expected a header with the column sentence1, got 'a b'");
}

TEST_F(Tasks, JsonlTakesAnyNumberOfSegmentsGroupsIdsAndLabels) {
  const auto examples = read(
      "jsonl",
      write("j", R"({"segments": ["a", "b", "c"], "groups": [0, 0, 1], "label": true, "id": 5})"
                 "\n\n"
                 R"({"segments": ["d"], "label": 2, "id": "x"})"
                 "\n"));
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_THAT(examples[0].groups, ElementsAre(0, 0, 1));
  EXPECT_EQ(examples[0].label_text, "true");
  EXPECT_EQ(examples[0].id, "5");
  EXPECT_EQ(examples[1].label_text, "2");
}

TEST_F(Tasks, GzipIsReadDirectly) {
  const std::string path = (folder_ / "j.jsonl.gz").string(),
                    text = "{\"segments\": [\"a\"], \"label\": 1}\n";
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  EXPECT_EQ(read("jsonl", path).size(), 1u);
}

TEST_F(Tasks, LabelsFoundInTheDataAreFixedByTheTrainingData) {
  auto train = read("jsonl", write("t",
                                   "{\"segments\": [\"a\"], \"label\": \"no\"}\n{\"segments\": "
                                   "[\"a\"], \"label\": \"maybe\"}\n"));
  const auto labels = label_set(train);
  EXPECT_THAT(labels, ElementsAre("maybe", "no"));
  assign_labels(train, labels);
  EXPECT_EQ(train[0].label, Label(ClassLabel{1}));
  auto other = read("jsonl", write("o", "{\"segments\": [\"a\"], \"label\": \"yes\"}\n"));
  try {
    assign_labels(other, labels);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.what(), (folder_ / "o").string() +
                                ":1: expected one of the training data's labels {maybe, no}, got "
                                "'yes'");
  }
  EXPECT_THROW(assign_scores(other), UserError);
  auto scores = read("jsonl", write("s", "{\"segments\": [\"a\"], \"label\": 2.5}\n"));
  assign_scores(scores);
  EXPECT_EQ(scores[0].label, Label(NumberLabel{2.5}));
}

TEST_F(Tasks, RealFilesHaveTheirCounts) {
  const char* data = std::getenv("LAIT_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAIT_TEST_DATA is not set";
  const std::string root = data;
  EXPECT_EQ(read("sick", root + "/sick/SICK_train.txt").size(), 4500u);
  EXPECT_EQ(read("sick", root + "/sick/SICK_trial.txt").size(), 500u);
  EXPECT_EQ(read("sick", root + "/sick/SICK_test_annotated.txt.gz").size(), 4927u);
  EXPECT_EQ(read("mnli", root + "/mnli/train_9k.jsonl.gz").size(), 8999u);
  EXPECT_EQ(read("mnli", root + "/mnli/dev_matched.jsonl.gz").size(), 9815u);
  EXPECT_EQ(read("mnli", root + "/mnli/glue_native_dev_matched_48.tsv.gz").size(), 48u);
  EXPECT_EQ(read("mnli", root + "/mnli/glue_native_train_48.tsv.gz").size(), 48u);
  EXPECT_EQ(read("snli", root + "/snli/dev.jsonl.gz").size(), 9842u);
  EXPECT_EQ(read("snli", root + "/snli/snli_1.0_dev_subset.jsonl.gz").size(), 1273u);
  EXPECT_EQ(counts_.unlabelled, 16);
  EXPECT_EQ(read("rte", root + "/glue_rte/dev.tsv").size(), 277u);
  EXPECT_EQ(read("rte", root + "/superglue/RTE/train.jsonl.gz").size(), 2490u);
  EXPECT_EQ(read("rte", root + "/superglue/RTE/val.jsonl").size(), 277u);
  EXPECT_EQ(read("boolq", root + "/boolq/train.jsonl.gz").size(), 2484u);
  EXPECT_EQ(read("boolq", root + "/boolq/dev.jsonl.gz").size(), 786u);
  EXPECT_EQ(read("vitaminc", root + "/vitaminc/train.jsonl.gz").size(), 19009u);
  EXPECT_EQ(read("vitaminc", root + "/vitaminc/dev.jsonl.gz").size(), 5744u);
  EXPECT_EQ(read("stsb", root + "/stsb/train.tsv.gz").size(), 5749u);
  EXPECT_EQ(read("stsb", root + "/stsb/dev.tsv").size(), 1500u);
}

}  // namespace
}  // namespace lait
