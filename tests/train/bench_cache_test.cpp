// `lait-bench cache` on a tiny model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/train/tiny_run.h"

namespace lait {
namespace {

class CacheBenchmark : public TinyRun {};

TEST_F(CacheBenchmark, MeasuresEachPWithAndWithoutAStore) {
  write_checkpoint(folder_ / "c", {.independent_layers = 2});
  write_passages(12);
  const std::string command = program("lait-bench") + " cache --checkpoint " + path("c") +
                              " --passages " + path("passages.jsonl") +
                              " --claims 2 --precision fp32 --json " + path("bench.json");
  const ShellResult too_few = shell(command);
  EXPECT_EQ(too_few.code, 2);
  EXPECT_THAT(too_few.err, testing::HasSubstr("expected at least 1000 texts, got 12"));
  const ShellResult result = shell(command + " --num-passages 10");
  ASSERT_EQ(result.code, 0) << result.err;
  std::set<std::string> cases;
  const auto json = nlohmann::json::parse(read_file(folder_ / "bench.json"));
  for (const auto& row : json.at("rows")) cases.insert(row.at("case"));
  for (const char* name :
       {"P=0 cached", "P=3 cached", "P=3 uncached", "P=4 cached", "P=2 one-sided cached",
        "single pair, P=3 cached", "P=3 store", "P=3 cached int8", "P=3 int8 store",
        "P=2 one-sided cached int8, in memory"})
    EXPECT_TRUE(cases.contains(name)) << name;
}

}  // namespace
}  // namespace lait
