// `lait-bench train-step`, `lait-bench predict` and `lait-data stat` on a tiny model, and data that
// shares segments.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/oracles/python.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

using testing::HasSubstr;

// 60 examples; each ten have their first segment in common.
class TrainStepBenchmark : public TinyRun {
 protected:
  void SetUp() override {
    write_inputs(60, 10, 0, "epochs: 1");
    std::string lines;
    for (uint32_t i = 0; i < 60; ++i) {
      lines += "{\"segments\": [\"" + tiny_word(i / 10) + " am bn co dp am bn\", \"" +
               tiny_word(20 + i) + "\"], \"label\": \"" + (i % 2 == 0 ? "entails" : "neutral") +
               "\"}\n";
    }
    write_file(folder_ / "train.jsonl", lines);
  }
};

TEST_F(TrainStepBenchmark, MeasuresEachPWithAndWithoutSharing) {
  const ShellResult result =
      shell(program("lait-bench") + " train-step --config " + path("a.yaml") +
            " --unshared --steps 2 --milliseconds 1 --json " + path("bench.json"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex("lait_unshared +[0-9.]+"));
  const auto json = nlohmann::json::parse(read_file(folder_ / "bench.json"));
  std::map<std::string, std::set<int64_t>> measured;
  for (const auto& row : json.at("rows")) {
    EXPECT_GT(row.at("examples_per_s").get<double>(), 0);
    EXPECT_EQ(row.at("bench"), "train-step");
    measured[row.at("impl")].insert(row.at("independent_layers").get<int64_t>());
  }
  ASSERT_EQ(measured.size(), 2u);
  EXPECT_EQ(measured.at("lait"), measured.at("lait_unshared"));
  EXPECT_GE(measured.at("lait").size(), 3u);
}

TEST_F(TrainStepBenchmark, MeasuresTransformersOnTheSameTokens) {
  LAIT_SKIP_WITHOUT_ORACLE();
  write_checkpoint(folder_ / "stock", {.format = SegmentFormat::kPair, .pooling = Pooling::kCls});
  const ShellResult result =
      shell(program("lait-bench") + " train-step --config " + path("a.yaml") +
            " --set model.path=" + path("stock") +
            " --independent-layers 0 --steps 1 --milliseconds 1 --python " +
            oracle::in_quotes(oracle::python()) + " --json " + path("bench.json"));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto rows = nlohmann::json::parse(read_file(folder_ / "bench.json")).at("rows");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].at("impl"), "transformers");
  EXPECT_GT(rows[1].at("examples_per_s").get<double>(), 0);
  for (const auto& row : rows) EXPECT_GT(row.at("activation_bytes").get<int64_t>(), 0);
}

TEST_F(TrainStepBenchmark, PredictionsAreMeasuredBesideTransformers) {
  LAIT_SKIP_WITHOUT_ORACLE();
  write_checkpoint(folder_ / "stock", {.format = SegmentFormat::kPair, .pooling = Pooling::kCls});
  const ShellResult result =
      shell(program("lait-bench") + " predict --config " + path("a.yaml") + " --set model.path=" +
            path("stock") + " --independent-layers 0,2 --steps 1 --milliseconds 1 --python " +
            oracle::in_quotes(oracle::python()) + " --json " + path("bench.json"));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto rows = nlohmann::json::parse(read_file(folder_ / "bench.json")).at("rows");
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) {
    EXPECT_EQ(row.at("bench"), "predict");
    EXPECT_GT(row.at("peak_bytes").get<int64_t>(), 0);
    EXPECT_FALSE(row.contains("activation_bytes"));
  }
  EXPECT_GT(rows[0].at("gemm_share").get<double>(), 0);
}

TEST_F(TrainStepBenchmark, APeerThatDoesNotStartIsNamed) {
  const ShellResult result =
      shell(program("lait-bench") + " train-step --config " + path("a.yaml") +
            " --independent-layers 0 --python /no/such/python");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/no/such/python: cannot start"));
  // One that ends at once; and what was written for it is gone.
  std::filesystem::create_directory(folder_ / "tmp");
  const ShellResult ended =
      shell("TMPDIR=" + path("tmp") + " " + program("lait-bench") + " train-step --config " +
            path("a.yaml") + " --independent-layers 0 --python /bin/false");
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("/bin/false: it ended"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "tmp"));
}

TEST_F(TrainStepBenchmark, StatisticsSayWhatSharingSaves) {
  const ShellResult result = shell(program("lait-data") + " stat --config " + path("a.yaml") +
                                   " --json " + path("stat.json"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("60 examples, 120 segments, 66 distinct (55.0 %)"));
  EXPECT_THAT(result.out, HasSubstr("would sharing and caching help?"));
  EXPECT_THAT(result.out,
              testing::ContainsRegex("P  MFLOPs an example  saved in a batch  saved with a cache"));
  // Nothing is shared or cached at P = 0 but the first projections.
  EXPECT_THAT(result.out, testing::ContainsRegex("\n *2 +[0-9]+ +[1-9][0-9.]+ % +[1-9][0-9.]+ %"));
  const auto train = nlohmann::json::parse(read_file(folder_ / "stat.json")).at("train");
  EXPECT_EQ(train.at("distinct_segments"), 66);
  const auto& savings = train.at("savings");
  ASSERT_EQ(savings.size(), 5u);
  EXPECT_EQ(savings[2].at("independent_layers"), 2);
  EXPECT_THAT(result.out, HasSubstr(fmt::format(
                              "{:.1f} %", savings[2].at("percent_saved_in_batch").get<double>())));
}

}  // namespace
}  // namespace lait
