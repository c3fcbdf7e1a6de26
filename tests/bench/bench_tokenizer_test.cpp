// bench_tokenizer counts what it encodes and writes one row.
#include "eval/bench/bench_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/base/files.h"

namespace lait {
namespace {

class BenchTokenizer : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    dir_ = std::filesystem::temp_directory_path() /
           ("lait_" + std::to_string(getpid()) + "_" + info->name());
    write_file(dir_ / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\n##s\n");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::filesystem::path dir_;
};

TEST_F(BenchTokenizer, WritesOneRow) {
  write_file(dir_ / "text.txt", "hello hellos\n\nx\n");
  EXPECT_EQ(bench_tokenizer(dir_, dir_ / "text.txt", dir_ / "out.json"), 0);
  const auto report = nlohmann::json::parse(read_file(dir_ / "out.json"));
  EXPECT_EQ(report.at("head").at("threads"), 1);
  ASSERT_EQ(report.at("rows").size(), 1u);
  const auto& row = report.at("rows")[0];
  EXPECT_EQ(row.at("bench"), "tokenizer");
  EXPECT_EQ(row.at("lines"), 3);
  EXPECT_EQ(row.at("bytes"), 13);
  EXPECT_EQ(row.at("tokens"), 4);
  EXPECT_GE(row.at("repeats"), 5);
  EXPECT_GT(row.at("tokens_per_s"), 0.0);
  EXPECT_LE(row.at("ms_p10"), row.at("ms_median"));
}

TEST_F(BenchTokenizer, RefusesAnEmptyFile) {
  write_file(dir_ / "text.txt", "\n");
  try {
    bench_tokenizer(dir_, dir_ / "text.txt", "");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("text.txt: expected lines of text"));
  }
}

}  // namespace
}  // namespace lait
