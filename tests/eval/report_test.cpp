// Reports read back: the files equal the rows, the table fits a terminal, and the plot is complete
// or its absence is reported.
#include "eval/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "eval/plot.h"
#include "eval/table.h"
#include "lait/base/files.h"
#include "lait/base/wrap.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr int kExamples = 200;

// A row whose first `right` predictions are right.
Evaluation make_row(const std::string& checkpoint, int64_t independent_layers, int right) {
  Evaluation row;
  row.names = {checkpoint, "sick", "test"};
  row.schedule = {{independent_layers, Scope::kSegment}, {6 - independent_layers, Scope::kExample}};
  row.independent_layers = independent_layers;
  row.segment_format = "standalone";
  row.pooling = "cls_segments";
  row.precision = "fp32";
  for (int i = 0; i < kExamples; ++i) row.outcomes.push_back({i < right ? 1. : 0., 1.});
  for (const char* metric : {"accuracy", "macro_f1"})
    row.metrics.push_back({metric, metric_interval(find_metric(metric), row.outcomes)});
  row.examples = kExamples;
  row.sequences = 2 * kExamples;
  const double share = 1 - static_cast<double>(independent_layers) / 12;
  row.flops.full = {4.0e6, 9.0e7, 2.5e8};
  row.flops.lait = {4.0e6 * share, 9.0e7 * share, 2.5e8 * share};
  row.flops.lait_cached = {2.0e6 * share, 4.5e7 * share, 1.25e8 * share};
  row.examples_per_s = 812.5;
  return row;
}

std::vector<Evaluation> make_rows() {
  std::vector<Evaluation> rows{make_row("runs/a, \"quoted\"/best", 0, 180),
                               make_row("runs/sick_split3/best", 3, 170),
                               make_row("runs/sick_split5/best", 5, 168)};
  rows[1].truncated_examples = 7;
  compare_to_p0(rows);
  return rows;
}

class ReportFiles : public testing::Test {
 protected:
  ReportFiles() : dir_(fs::temp_directory_path() / ("lait_report_" + std::to_string(getpid()))) {
    fs::remove_all(dir_);
  }
  ~ReportFiles() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST_F(ReportFiles, JsonReadBack) {
  const auto rows = make_rows();
  write_report(rows, dir_);
  const auto json = nlohmann::json::parse(read_file(dir_ / "report.json"));
  ASSERT_EQ(json.size(), 3u);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& row = json[i];
    EXPECT_EQ(row.at("checkpoint"), rows[i].names.checkpoint);
    EXPECT_EQ(row.at("task"), "sick");
    EXPECT_EQ(row.at("split"), "test");
    EXPECT_EQ(row.at("independent_layers"), rows[i].independent_layers);
    EXPECT_EQ(row.at("examples"), kExamples);
    EXPECT_EQ(row.at("metrics").at("accuracy").at("value"), rows[i].metrics[0].interval.value);
    EXPECT_EQ(row.at("metrics").at("accuracy").at("low"), rows[i].metrics[0].interval.low);
    EXPECT_EQ(row.at("metrics").at("macro_f1").at("high"), rows[i].metrics[1].interval.high);
    EXPECT_EQ(row.at("flops").at("attention").at("full"), 9.0e7);
    EXPECT_EQ(row.at("flops").at("score_context").at("lait"), rows[i].flops.lait.score_context);
    EXPECT_EQ(row.at("flops").at("encoder").at("lait_cached"), rows[i].flops.lait_cached.encoder);
    EXPECT_DOUBLE_EQ(row.at("ratio_to_full").at("encoder").at("lait"),
                     rows[i].flops.lait.encoder / 2.5e8);
    EXPECT_EQ(row.at("examples_per_s"), 812.5);
    EXPECT_EQ(row.contains("difference_to_p0"), i > 0);
  }
  EXPECT_EQ(json[1].at("truncated_examples"), 7);
  EXPECT_EQ(json[1].at("difference_to_p0").at("checkpoint"), rows[0].names.checkpoint);
  const auto& difference = json[1].at("difference_to_p0").at("metrics").at("accuracy");
  EXPECT_NEAR(difference.at("value"), -0.05, 1e-12);
  EXPECT_LT(difference.at("low"), difference.at("value"));
  EXPECT_LT(difference.at("high"), 0);
  EXPECT_THAT(json[0].at("flops_definition"), HasSubstr("a multiply-add is 2"));
}

TEST_F(ReportFiles, CsvHasAsManyCellsInEveryLine) {
  const std::string csv = report_csv(make_rows());
  std::istringstream lines(csv);
  std::string line, header;
  std::getline(lines, header);
  const auto columns = std::ranges::count(header, ',');
  int num_lines = 0;
  for (; std::getline(lines, line); ++num_lines) {
    bool quoted = false;
    int64_t commas = 0;
    for (char c : line) {
      quoted ^= c == '"';
      commas += c == ',' && !quoted;
    }
    EXPECT_EQ(commas, columns) << line;
  }
  EXPECT_EQ(num_lines, 6);  // rows times metrics
  EXPECT_THAT(
      csv,
      HasSubstr("\"runs/a, "
                "\"\"quoted\"\"/best\",sick,test,,0,standalone,cls_segments,fp32,accuracy,0.9,"));
}

TEST_F(ReportFiles, MarkdownNamesDefinitionsAndTruncation) {
  const auto rows = make_rows();
  write_report(rows, dir_);
  const std::string text = read_file(dir_ / "report.md");
  EXPECT_THAT(text, HasSubstr("## sick, test: 200 examples"));
  EXPECT_THAT(text, HasSubstr("| sick_split3 "));
  EXPECT_THAT(text, HasSubstr("sick_split3 (P = 3): 7 of 200 examples were truncated"));
  EXPECT_THAT(text, HasSubstr("a multiply-add is 2"));
  EXPECT_EQ(fs::exists(dir_ / kPlotFile), text.find(kPlotFile) != std::string::npos);
}

TEST(ReportText, FitsATerminalAndIsPlain) {
  std::vector<Evaluation> rows = make_rows();
  rows[2].names.checkpoint = "runs/a_run_with_a_name_that_is_far_too_long_for_one_column/best";
  rows[2].pooling = "segments";
  const std::string text = report_text(rows);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(display_width(line), 120u) << line;
    EXPECT_THAT(line, Not(HasSubstr("\033")));
  }
  EXPECT_THAT(text, HasSubstr("90.0 [85.1, 93.4]"));  // Wilson of 180 in 200
  EXPECT_THAT(text, HasSubstr("-5.0 ["));
  EXPECT_THAT(text, HasSubstr("a multiply-add is 2"));
}

TEST(ReportText, BecomesListsOnANarrowTerminal) {
  const std::string text = report_text(make_rows(), /*width=*/40);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(display_width(line), 45u) << line;  // a heading and an interval
  EXPECT_THAT(text,
              HasSubstr("\nsick_split3\n  P                  3\n  accuracy % [95 %]  85.0 ["));
}

TEST(Comparison, TakesTheBestRowOfTheSameExamples) {
  std::vector<Evaluation> rows{make_row("weak", 0, 150), make_row("strong", 0, 180),
                               make_row("split", 3, 170), make_row("other", 3, 170)};
  rows[3].names.checksum = 1;
  compare_to_p0(rows);
  EXPECT_EQ(rows[2].difference_to_p0->reference, "strong");
  EXPECT_EQ(rows[0].difference_to_p0->reference, "strong");
  EXPECT_FALSE(rows[1].difference_to_p0.has_value());
  EXPECT_FALSE(rows[3].difference_to_p0.has_value()) << "other examples cannot be paired";
}

// Two data sets can both be a run's "test", with the same number of examples and the same labels.
TEST_F(ReportFiles, OtherExamplesHaveATableOfTheirOwn) {
  std::vector<Evaluation> rows{make_row("a0", 0, 150), make_row("a3", 3, 170),
                               make_row("b3", 3, 160), make_row("c3", 3, 150)};
  for (Evaluation& row : rows) row.names.files = {"a.txt"};
  rows[2].names.checksum = 1;
  rows[2].names.files = {"b.txt", "b2.txt"};
  rows[3].metrics.erase(rows[3].metrics.begin());  // another head's
  compare_to_p0(rows);
  EXPECT_TRUE(rows[1].difference_to_p0.has_value());
  EXPECT_FALSE(rows[2].difference_to_p0.has_value());
  EXPECT_FALSE(rows[3].difference_to_p0.has_value());
  write_report(rows, dir_);
  const std::string text = read_file(dir_ / "report.md");
  EXPECT_THAT(text, HasSubstr("## sick, test (a.txt): 200 examples"));
  EXPECT_THAT(text, HasSubstr("## sick, test (b.txt, b2.txt): 200 examples"));
  EXPECT_EQ(nlohmann::json::parse(read_file(dir_ / "report.json"))[2].at("files"),
            (std::vector<std::string>{"b.txt", "b2.txt"}));
  EXPECT_THAT(read_file(dir_ / "report.csv"), HasSubstr("b3,sick,test,b.txt b2.txt,3,"));
}

TEST_F(ReportFiles, PlotDrawsEveryPoint) {
  if (std::system("command -v gnuplot > /dev/null") != 0)
    GTEST_SKIP() << "gnuplot is not installed";
  const auto rows = make_rows();
  ASSERT_EQ(write_report(rows, dir_), "");
  const std::string svg = read_file(dir_ / kPlotFile);
  for (const char* text :
       {"P = 0", "P = 3", "P = 5", "accuracy, %", "sick, test (200 examples, bars: 95 % intervals)",
        "standalone, cls_segments", "</svg>"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(dir_)) ++files;
  EXPECT_EQ(files, 4) << "temporary files are left";
}

TEST_F(ReportFiles, MissingGnuplotIsSaidAndTheRestIsWritten) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const std::string problem = write_report(make_rows(), dir_);
  setenv("PATH", path.c_str(), 1);
  EXPECT_THAT(
      problem,
      HasSubstr("gnuplot is not installed; install it (Debian: apt-get install gnuplot-nox)"));
  EXPECT_TRUE(fs::exists(dir_ / "report.json"));
  EXPECT_TRUE(fs::exists(dir_ / "report.csv"));
  EXPECT_THAT(read_file(dir_ / "report.md"), Not(HasSubstr(kPlotFile)));
}

TEST(TableFormat, AlignsByColumnsOfText) {
  const Table table{.header = {"name", "n"}, .rows = {{"é", "10"}, {"abcdef", "7"}}};
  EXPECT_EQ(format_plain(table), "name     n\né       10\nabcdef   7\n");
  EXPECT_EQ(format_markdown(table),
            "| name   |  n |\n|--------|---:|\n| é      | 10 |\n| abcdef |  7 |\n");
  EXPECT_EQ(keep_end("abcdef", 4), "…def");
  EXPECT_EQ(keep_end("ééé", 2), "…é");
}

}  // namespace
}  // namespace lait
