// bench_attention writes a row for each layout, pass and implementation, and refuses files of
// lengths that it cannot read.
#include "eval/bench/bench_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "eval/bench/bench.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

AttentionBench small(const TemporaryFolder& folder, const std::string& lengths) {
  AttentionBench bench;
  bench.lengths = folder.write("lengths.txt", lengths);
  bench.head_dims = {32};
  bench.dtypes = {"fp32"};
  bench.heads = 1;
  bench.batch = 2;
  bench.max_milliseconds = 1;
  bench.json = folder / "out.json";
  return bench;
}

TEST(Bench, WhatIsComparedTakesTurns) {
  std::string order;
  const auto timings =
      measure_in_turn({[&] { order += 'a'; }, [&] { order += 'b'; }}, /*max_milliseconds=*/0, 3);
  // The first turn warms up.
  EXPECT_EQ(order,
            "ab"
            "ab"
            "ba"
            "ab");
  ASSERT_EQ(timings.size(), 2);
  EXPECT_EQ(timings[1].repeats.size(), 3);
}

// A slow phase of the machine that affects both in a turn changes nothing.
TEST(Bench, RatiosAreTakenTurnByTurn) {
  const Timing ours{.median = 10, .repeats = {1, 10, 10}}, peer{.median = 3, .repeats = {3, 30, 3}};
  EXPECT_DOUBLE_EQ(times_faster(ours, peer), 3);
}

TEST(BenchAttention, WritesARowForEachImplementation) {
  const TemporaryFolder folder;
  EXPECT_EQ(bench_attention(small(folder, "# tokens\ntiny 5 7\ntiny 3 2\ntiny 4 4\n")), 0);
  const auto report = nlohmann::json::parse(read_file(folder / "out.json"));
  std::map<std::string, int> impls;
  for (const auto& row : report.at("rows")) {
    if (row.at("bench") != "attention") continue;
    ++impls[row.at("case").get<std::string>() + " " + row.at("impl").get<std::string>()];
    EXPECT_GT(row.at("flops_per_s"), 0.0);
    EXPECT_GE(row.at("repeats"), 3);
    if (row.at("impl") == "lait") {
      EXPECT_GT(row.at("ratio_to").at("padded"), 0.0);
      EXPECT_GT(row.at("of_gemm"), 0.0);
    }
  }
  EXPECT_EQ(impls, (std::map<std::string, int>{{"tiny segments lait", 2},
                                               {"tiny segments padded", 2},
                                               {"tiny segments loop", 2},
                                               {"tiny segments blocks", 2},
                                               {"tiny examples lait", 2},
                                               {"tiny examples padded", 2},
                                               {"tiny examples loop", 2},
                                               {"uniform 512 lait", 2},
                                               {"uniform 512 padded", 2},
                                               {"uniform 512 loop", 2}}));
}

TEST(BenchAttention, RefusesWhatItCannotRead) {
  const TemporaryFolder folder;
  auto error_of = [&](const std::string& lengths) -> std::string {
    try {
      bench_attention(small(folder, lengths));
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(""),
              testing::HasSubstr("lengths.txt: expected lines \"name n1 n2\", got none"));
  EXPECT_THAT(error_of("tiny 5\n"),
              testing::HasSubstr("lengths.txt:1: expected \"name n1 n2\", got \"tiny 5\""));
  EXPECT_THAT(error_of("tiny 5 0\n"), testing::HasSubstr("lengths.txt:1: expected"));
}

}  // namespace
}  // namespace lait
