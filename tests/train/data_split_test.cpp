// `lait-data split`: parts keep the file's form and have no group in common.
#include "train/data_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "lait/base/files.h"
#include "lait/data/example_reader.h"
#include "lait/data/task.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

using testing::HasSubstr;

class DataSplit : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return (folder_ / name).string();
  }
  SplitOptions options(const std::string& task, const std::string& input,
                       const std::vector<std::string>& by) {
    return {.task = task,
            .input = input,
            .by = by,
            .shares = {60, 40},
            .output = (folder_ / "out").string()};
  }
  TemporaryFolder folder_;
};

TEST_F(DataSplit, CsvRowsKeepTheirLineBreaksAndTheHeader) {
  std::string text = "Headline,Body ID,Stance\r\n";
  for (int i = 0; i < 40; ++i)
    text += "\"Line one\nline " + std::to_string(i) + "\"," + std::to_string(i / 4) + ",agree\n";
  const auto parts = split_data(options("fnc1", write("s.csv", text), {"Body ID"}));
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].records, 24);
  EXPECT_EQ(parts[0].groups, 6);
  EXPECT_EQ(parts[1].records, 16);
  EXPECT_TRUE(parts[0].path.ends_with("out/train.csv"));
  std::string together;
  for (const SplitPart& part : parts) {
    const std::string content = read_file(part.path);
    EXPECT_TRUE(content.starts_with("Headline,Body ID,Stance\n\"Line one\nline ")) << content;
    together += content;
  }
  for (int i = 0; i < 40; ++i)
    EXPECT_THAT(together, HasSubstr("\"Line one\nline " + std::to_string(i) + "\"," +
                                    std::to_string(i / 4) + ",agree\n"));
}

TEST_F(DataSplit, WhatIsConnectedByWayOfOthersStaysTogether) {
  // a1-b1, a2-b1, a2-b2: one group; a3-b3, a4-b4: two others.
  std::string text;
  for (const char* pair : {"11", "21", "22", "33", "44"}) {
    text += std::string("{\"claim\": \"c") + pair[0] + "\", \"evidence\": \"e" + pair[1] +
            "\", \"label\": \"REFUTES\"}\n";
  }
  const auto parts = split_data(options("fever", write("f.jsonl", text), {"claim", "evidence"}));
  EXPECT_EQ(parts[0].records, 3);
  EXPECT_EQ(parts[0].groups, 1);
  EXPECT_EQ(parts[1].groups, 2);
  // A claim that is another's evidence connects nothing.
  EXPECT_EQ(read_file(parts[0].path), text.substr(0, read_file(parts[0].path).size()));
}

TEST_F(DataSplit, EmptyValuesConnectNothing) {
  const auto parts = split_data(options(
      "ranking",
      write("e.jsonl", "{\"query_id\": null, \"label\": 0}\n{\"query_id\": \"\", \"label\": 0}\n"),
      {"query_id"}));
  EXPECT_EQ(parts[0].groups, 1);
  EXPECT_EQ(parts[1].groups, 1);
}

TEST_F(DataSplit, TheSeedDecidesAndOneSeedIsOneSplit) {
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += "{\"query_id\": " + std::to_string(i / 2) + ", \"query\": \"q\", \"passage\": \"p" +
            std::to_string(i) + "\", \"label\": 0}\n";
  SplitOptions first = options("ranking", write("r.jsonl", text), {"query_id"}), again = first,
               other = first;
  again.output = (folder_ / "again").string();
  other.output = (folder_ / "other").string();
  other.seed = 2;
  const std::string train = read_file(split_data(first)[0].path);
  EXPECT_EQ(train, read_file(split_data(again)[0].path));
  EXPECT_NE(train, read_file(split_data(other)[0].path));
  EXPECT_THAT(error_of([&] { split_data(first); }), HasSubstr("train.jsonl exists"));
}

TEST_F(DataSplit, FoldersOfAlignedLinesBecomeFolders) {
  std::string evidence, claims, labels;
  for (int i = 0; i < 10; ++i) {
    evidence += "evidence " + std::to_string(i / 2) + "\n";
    claims += "claim " + std::to_string(i) + "\n";
    labels += i % 2 == 0 ? "entailment\n" : "not_entailment\n";
  }
  write("f/dev.raw.input0", evidence);
  write("f/dev.raw.input1", claims);
  write("f/dev.label", labels);
  const auto parts = split_data(options("fever", (folder_ / "f").string(), {"evidence"}));
  std::set<std::string> seen;
  size_t count = 0;
  for (const SplitPart& part : parts) {
    std::set<std::string> here;
    for (const Example& example : read_files(find_task("fever"), {part.path}, {}).examples) {
      here.insert(example.segments[1]);
      ++count;
    }
    for (const std::string& text : here) EXPECT_TRUE(seen.insert(text).second) << text;
  }
  EXPECT_EQ(count, 10u);
}

TEST_F(DataSplit, MistakesAreNamedAndNothingIsWritten) {
  const std::string file = write("w.jsonl",
                                 "{\"word\": \"w\", \"sentence1\": \"a\", \"sentence2\": "
                                 "\"b\", \"label\": true}\n");
  EXPECT_THAT(error_of([&] { split_data(options("wic", file, {"wrod"})); }),
              HasSubstr("w.jsonl:1: --by: expected fields of the record {word, sentence1, "
                        "sentence2, label}, got 'wrod' (did you mean word?)"));
  EXPECT_THAT(error_of([&] { split_data(options("wic", file, {"word"})); }),
              HasSubstr("expected at least one group of records for each part, got 1 groups"));
  SplitOptions shares = options("wic", file, {"word"});
  shares.shares = {100};
  EXPECT_THAT(error_of([&] { split_data(shares); }), HasSubstr("--shares: expected two or more"));
  shares.shares = {1, 1, 1, 1};
  EXPECT_THAT(error_of([&] { split_data(shares); }),
              HasSubstr("--names: expected 4 names, one for each of --shares, got 0"));
  shares.shares = {1, 1};
  shares.names = {"a", "a"};
  EXPECT_THAT(error_of([&] { split_data(shares); }), HasSubstr("--names: expected each name once"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(DataSplit, RealFilesLoseNothing) {
  const char* data = std::getenv("LAIT_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "LAIT_TEST_DATA is not set";
  const std::string root = data;
  SplitOptions fnc1 = options("fnc1", root + "/fnc1/train_stances.csv.gz", {"Body ID"});
  fnc1.shares = {80, 20};
  ReadOptions reading;
  reading.text_files["data.bodies"] = {root + "/fnc1/train_bodies.csv.gz"};
  size_t count = 0;
  std::set<std::string> articles;
  for (const SplitPart& part : split_data(fnc1)) {
    std::set<std::string> here;
    for (const Example& example : read_files(find_task("fnc1"), {part.path}, reading).examples) {
      here.insert(example.passage);
      ++count;
    }
    for (const std::string& article : here) EXPECT_TRUE(articles.insert(article).second) << article;
  }
  EXPECT_EQ(count, 49972u);
  EXPECT_EQ(articles.size(), 1683u);
}

}  // namespace
}  // namespace lait
