// `lait-bench serve` on a tiny model, its law of draws, and its malformed requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/train/tiny_run.h"
#include "train/malformed_requests.h"
#include "train/rerank_load.h"

namespace lait {
namespace {

TEST(ZipfNumbers, AreDistinctAndFollowTheLaw) {
  std::mt19937_64 random(1);
  ZipfNumbers numbers(10);
  std::vector<double> counts(10);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) counts[numbers.distinct(1, random).at(0)] += 1;
  double sum = 0;
  for (int i = 1; i <= 10; ++i) sum += 1.0 / i;
  for (size_t i = 0; i < counts.size(); ++i)
    EXPECT_NEAR(counts[i] / kDraws, 1 / (static_cast<double>(i + 1) * sum), 0.01) << i;
  const std::vector<size_t> all = numbers.distinct(10, random);
  EXPECT_EQ(std::set<size_t>(all.begin(), all.end()).size(), 10U);
}

class ServeBenchmark : public TinyRun {};

TEST_F(ServeBenchmark, MeasuresAServerWithAndWithoutKeptSegments) {
  write_checkpoint(folder_ / "c", {.independent_layers = 2, .head = HeadKind::kRelevance});
  write_passages(12);
  const ShellResult result =
      shell(program("lait-bench") + " serve --checkpoint " + path("c") + " --passages " +
            path("passages.jsonl") +
            " --num-passages 12 --documents 5 --clients 3 --seconds 1 --malformed 500 "
            "--precision fp32 --json " +
            path("bench.json"));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::json::parse(read_file(folder_ / "bench.json"));
  const auto& rows = json.at("rows");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("case"), "checkpoint uncached");
  EXPECT_EQ(rows[1].at("case"), "checkpoint cached");
  EXPECT_EQ(rows[1].at("malformed"), 500);
  for (const auto& row : rows) {
    EXPECT_GT(row.at("requests"), 3);
    EXPECT_GE(row.at("ms_p99"), row.at("ms_median"));
    EXPECT_GT(row.at("rss_bytes").at(2), 1000000);
  }
  EXPECT_GT(rows[1].at("ratio_to").at("uncached"), 0);
}

TEST_F(ServeBenchmark, SaysWhatTheServerSaid) {
  const ShellResult result = shell(program("lait-bench") + " serve --checkpoint " + path("none"));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, testing::HasSubstr(path("none")));
}

}  // namespace
}  // namespace lait
