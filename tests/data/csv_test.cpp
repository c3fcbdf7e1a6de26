// Damaged tables: no row is lost without being counted, and no row is made of the rest of another.
#include <chrono>

#include "tests/data/read_task.h"

namespace lait {
namespace {

using testing::HasSubstr;

class Csv : public Tasks {
 protected:
  const DataColumns columns_{.segments = {"question", "answer"}, .label = "gold"};
  const std::string header_ = "question,answer,gold\n";
  ReadOptions skipping(int64_t lines) const {
    return {.columns = columns_, .skip_bad_lines = lines};
  }
};

// Whatever lies between an open quote and the next one is many rows, not one.
TEST_F(Csv, AnOpenQuoteIsAnErrorOfTheLineWhereItOpens) {
  const ReadOptions lenient = skipping(100);
  expect_error("table", header_ + "a,b,yes\nc,\"d,no\ne,f,no\ng,h,no\n",
               ":3: expected a closing quote, got the end of the file", lenient);
  expect_error("table", header_ + "a,b,yes\nc,\"d,no\ne,f,no\ng,\"h\",no\ni,j,yes\n",
               ":3: expected a closing quote before line 5, which has another quote in its text "
               "('g,\"h\",no'); close the quote, or double those inside the field",
               lenient);
  // The quote is closed by chance: the row has too few cells, or too many.
  expect_error("table", header_ + "a,b,yes\nc,\"d,no\ne,f\"\ni,j,yes\n",
               ":3: expected 3 comma-separated columns, got 2 in the row up to line 4; is a quote "
               "not closed?",
               lenient);
  // The row's second quote is the open one.
  expect_error("table", header_ + "\"a\nb\",\"c,yes\nd,e,no\nf,\"g\",no\n",
               ":3: expected a closing quote before line 5", lenient);
  expect_error("table", header_ + "\"a\nb\",c\nd,\"e,no\n",
               ":2: expected 3 comma-separated columns, got 2 in the row up to line 3", lenient);
  std::string long_text;
  for (int i = 0; i < 17; ++i) long_text += std::string(1 << 20, 'x') + "\n";
  expect_error("table", header_ + "c,\"d,no\n" + long_text + "\",x\n",
               ":2: expected a closing quote within 16777216 bytes, got none", lenient);
}

TEST_F(Csv, ARowWithBadBytesIsSkippedToItsEnd) {
  const std::string file =
      write("t", header_ + "a,b,yes\nc,\"d\nx,\xFF,yes\ny,z,yes\n\",no\ne,f,no\n");
  const auto examples = read("table", file, skipping(1));
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(counts_.bad_lines, 1);
  EXPECT_EQ(examples[1].segments[0], "e");
  EXPECT_EQ(examples[1].origin.line, 7);
  expect_error("table", header_ + "c,\"d\nx,\xFF,yes\n\",no\n",
               ":2: expected UTF-8 text, got other bytes at byte 3 of line 3; fix the line",
               {.columns = columns_});
}

// Of a text in quotes, commas and semicolons say nothing.
TEST_F(Csv, TheSeparatorIsTheOneOutsideQuotes) {
  const auto examples = read("table", write("t", "\"a; b; c\",\"d;\",\"yes\"\n"),
                             {.columns = {.segments = {"1", "2"}, .label = "3"}});
  EXPECT_EQ(examples[0].segments[0], "a; b; c");
  const auto tabs = read(
      "table", write("t", "\"a\tb\",question,gold\nx,c,yes\n"),
      {.format = FileFormat::kCsv, .columns = {.segments = {"a\tb", "question"}, .label = "gold"}});
  EXPECT_EQ(tabs[0].segments[1], "c");
  expect_error("table", "question;answer,gold\na;b,c\n",
               ":1: expected a header with commas or semicolons between its columns, got both; put "
               "quotes around a name that has one",
               {.columns = columns_});
}

TEST_F(Csv, AHeaderOfManyColumnsIsCheckedOnce) {
  std::string header = "question\tanswer\tgold", row = "a\tb\tyes";
  for (int i = 0; i < 50000; ++i) {
    header += "\tc" + std::to_string(i);
    row += "\t";
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(read("table", write("t", header + "\n" + row + "\n"), {.columns = columns_}).size(),
            1u);
  // In square time it is minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  expect_error("table", header + "\tc7\n",
               ":1: expected a tab-separated header with the column 'c7'", {.columns = columns_});
}

TEST_F(Csv, BadBytesBehindAnOpenQuoteAreStillAnOpenQuote) {
  expect_error("table", header_ + "c,\"d,no\ne,\xFF,no\ng,h\"\ni,j,yes\n",
               ":2: expected 3 comma-separated columns, got 2 in the row up to line 4; is a quote "
               "not closed?",
               skipping(100));
}

TEST_F(Csv, AMalformedLineIsOneBadLine) {
  const std::string file = write("t", header_ + "5\" disk,b,yes\nc,d,no\ne,f\ng,h,yes\n");
  EXPECT_EQ(read("table", file, skipping(2)).size(), 2u);
  EXPECT_EQ(counts_.bad_lines, 2);
}

}  // namespace
}  // namespace lait
