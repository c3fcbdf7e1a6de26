// What the tasks' readers refuse, with which messages, and how many bad lines they may skip.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/read_task.h"

namespace lait {
namespace {

using TaskErrors = Tasks;

TEST_F(TaskErrors, MistakesAreNamedWithTheirLine) {
  expect_error("sick", "", "expected examples of task sick, got an empty file");
  expect_error("sick", "pair_ID\tsentence_A\n",
               ":1: expected a header with the column sentence_B or sentence2, got 'pair_ID "
               "sentence_A'");
  expect_error(
      "sick", "pair_ID\tsentence_A\tsentence_B\tentailment_judgment\n1\ta\tb\tNEUTRAL\n2\ta\tb\n",
      ":3: expected 4 tab-separated columns, got 3; fix the line or set data.skip_bad_lines");
  expect_error("sick", "pair_ID\tsentence_A\tsentence_B\tentailment_judgment\n1\ta\tb\tMAYBE\n",
               ":2: expected a label of {ENTAILMENT, NEUTRAL, CONTRADICTION}, got 'MAYBE'");
  expect_error("mnli", "{\"premise\": \"p\", \"hypothesis\": 3, \"label\": \"neutral\"}\n",
               ":1: expected text in the field \"hypothesis\", got number");
  expect_error("mnli", "{\"premise\": \"p\", \"hypothesis\": \"h\"}\n",
               ":1: expected the field \"label\", got none");
  expect_error("mnli", "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": 3}\n",
               "expected a label index from 0 to 2, got 3");
  expect_error("mnli", "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": \"\"}\n",
               ":1: expected a label of {entailment, neutral, contradiction}, got ''");
  expect_error("snli", "sentence1\tsentence2\tgold_label\np\th\t\n",
               ":2: expected a label of {entailment, neutral, contradiction}, got ''");
  expect_error("jsonl", "{\"segments\": [], \"label\": 1}\n",
               ":1: expected \"segments\": a list of at least one text");
  expect_error("jsonl",
               "{\"segments\": [\"a\"], \"label\": 1}\n{\"segments\": [\"a\"], \"lable\": 1}\n",
               ":2: expected the fields segments, label, groups and id, got 'lable'");
  expect_error("jsonl", "{\"segments\": [\"a\", \"b\"], \"groups\": [0, 2], \"label\": 1}\n",
               "each the one before or one more");
  expect_error(
      "jsonl", "text,label\na,b\n",
      ":1: expected a JSON object, got 'text,label', wrong at byte 2 (a table is read with "
      "task: table and data.columns); fix");
  expect_error("jsonl", "[1]\n", ":1: expected a JSON object, got '[1]'");
  expect_error("jsonl", "{\"a\": " + std::string(1000000, '[') + "\n",
               "expected JSON of at most 64 levels, got more");
  expect_error("jsonl", "{\"segments\": [\"\xFF\"], \"label\": 1}\n",
               ":1: expected a JSON object, got invalid UTF-8, wrong at byte 16; fix");
  expect_error("jsonl", "{\"segments\": [\"a\"], \"label\" 1}\n",
               "got '{\"segments\": [\"a\"], \"label\" 1}', wrong at byte 29; fix");
  expect_error("jsonl", "{\"segments\": [\"a\"], \"label\": 1} {}\n",
               ":1: expected a JSON object, got '");
  expect_error("jsonl", std::string("{\"segments\": [\"a\"], \"label\": 1}") + '\0' + "{}\n",
               ":1: expected JSON, got a NUL byte at byte 32");
  expect_error("jsonl", "{\"segments\": [\"a\"], \"label\": 1, \"label\": 2}\n",
               ":1: expected each key once, got 'label' twice");
  expect_error("jsonl", "{\"segments\": [\"a\"], \"label\": 1e999}\n",
               ":1: expected JSON, got a number that is too large");
  expect_error("jsonl", "{\"segments\": [\"a\"], \"label\": \"\"}\n",
               ":1: expected a label in the field \"label\", got an empty one");
  expect_error("jsonl", "{\"segments\": [\"a\"], \"label\": [1]}\n",
               ":1: expected text or a number in the field \"label\", got array");
  expect_error("jsonl", "{\"segments\": [\"a\", 2], \"label\": 1}\n",
               ":1: expected texts in \"segments\", got number");
  // A label that ends with a table's "\r" is a mistake, and lait.yaml could not hold it.
  expect_error(
      "jsonl", "{\"segments\": [\"a\"], \"label\": \"fits\\r\"}\n",
      ":1: expected text in the field \"label\", got a control character in it: 'fits\\r'");
  const std::string sick = "pair_ID\tsentence_A\tsentence_B\tentailment_judgment\n";
  expect_error("sick", sick + "1\tcaf\xE9\tb\tNEUTRAL\n",
               ":2: expected UTF-8 text, got other bytes at byte 6; fix the line");
  expect_error("sick", sick + std::string("1\ta\0b\tb\tNEUTRAL\n", 16),
               ":2: expected UTF-8 text, got a NUL byte at byte 4; fix the line");
  expect_error("sick", std::string("\xFF\xFEp\0a\0", 6),
               ":1: expected UTF-8 text, got other bytes at byte 1; save the file as UTF-8");
  expect_error("jsonl", "\n\n", ": expected examples of task jsonl, got an empty file");
  expect_error("mnli", "\n\n", ": expected examples of task mnli, got an empty file");
  expect_error("sick", "pair_ID\tsentence_A\tsentence_B\tentailment_judgment\n",
               ": expected examples of task sick, got a header without rows");
  expect_error("mnli",
               "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": -1}\n"
               "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": null}\n",
               ": expected examples of task mnli, got none with a gold label (2 without: null, -1 "
               "or another mark)");
  expect_error("jsonl", "1\n2\n", ": expected examples of task jsonl, got 2 bad lines only",
               {.skip_bad_lines = 2});
  expect_error("sick", "pair_ID\tsentence_A\tsentence_A\tsentence_B\tentailment_judgment\n",
               ":1: expected a tab-separated header with the column 'sentence_A' once");
  expect_error("snli", "{\"sentence1\": \"p\", \"sentence2\": \"h\", \"gold_label\": \"yes\"}\n",
               ":1: expected a label of {entailment, neutral, contradiction}, got 'yes'");
  try {
    find_task("snil");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(
        error.what(),
        "task: expected one of {wordnet, mnli, snli, anli, sick, rte, qnli, paws, mrpc, qqp, wic, "
        "boolq, boolq_split, multirc, fever, vitaminc, scifact, fnc1, answer_equivalence, "
        "ranking, squad, stsb, sick_relatedness, jsonl, table}, got 'snil' (did you mean snli?)");
  }
}

TEST_F(TaskErrors, BadLinesAreToleratedUpToTheBudgetAndCounted) {
  const std::string file = write("j", "x\n{\"segments\": [\"a\"], \"label\": 1}\ny\n");
  EXPECT_EQ(read("jsonl", file, {.skip_bad_lines = 2}).size(), 1u);
  EXPECT_EQ(counts_.bad_lines, 2);
  try {
    read("jsonl", file, {.skip_bad_lines = 1});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()),
              file +
                  ":3: expected a JSON object, got 'y', wrong at byte 1; fix the line or raise "
                  "data.skip_bad_lines (now used up)");
  }
}

}  // namespace
}  // namespace lait
