// The token cache of a run: a run that finds it gives the same bytes and says the same as one that
// does not, and it is never a reason for a run to fail.
#include "train/token_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/config/override.h"
#include "lait/data/task.h"
#include "tests/base/small_disk.h"
#include "tests/train/tiny_run.h"
#include "train/run_inputs.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TokenCacheOfARun : public TinyRun {
 protected:
  // Training data with a malformed line, two examples without a label, and segments that are too
  // long.
  void SetUp() override {
    write_inputs(90, 20, 10, "steps: 8, log_every: 1");
    write_file(folder_ / "train.jsonl", read_file(folder_ / "train.jsonl") +
                                            "{\"segments\": \"one\", \"label\": \"entails\"}\n"
                                            "{\"segments\": [\"am\", \"an\"], \"label\": null}\n"
                                            "{\"segments\": [\"am\", \"ao\"], \"label\": null}\n");
  }
  static constexpr const char* kOptions =
      " --set data.skip_bad_lines=3 --set data.max_segment_tokens=9 ";
  ShellResult train(const std::string& run, const std::string& more = "") {
    return shell(program("lait-train") + " --config " + path("a.yaml") + kOptions + " --output " +
                 path(run) + " " + more);
  }
  // What a run says of its inputs.
  static std::string said(const ShellResult& result) {
    std::string lines;
    size_t begin = 0;
    for (size_t end = 0; (end = result.err.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      const std::string line = result.err.substr(begin, end - begin + 1);
      for (const char* name : {"labels:", "train:", "validation:", "test:", "data."})
        if (line.starts_with(name)) lines += line;
    }
    return lines;
  }
  // The files of a run's cache, and when they were written.
  std::map<std::string, fs::file_time_type> cache_of(const std::string& run) {
    std::map<std::string, fs::file_time_type> files;
    for (const auto& entry : fs::directory_iterator(folder_ / run / "cache"))
      files[entry.path().filename()] = entry.last_write_time();
    return files;
  }
  fs::path cached(const std::string& run, const std::string& split) {
    for (const auto& [name, time] : cache_of(run))
      if (name.starts_with(split + "-")) return folder_ / run / "cache" / name;
    ADD_FAILURE() << "no " << split;
    return {};
  }
  Config config(const std::vector<std::string>& overrides = {}) {
    return read_config(folder_ / "a.yaml", to_overrides(overrides), task_names());
  }
};

TEST_F(TokenCacheOfARun, ARunThatFindsItIsTheSame) {
  for (const std::string more :
       {"", " --set training.threads=2 ", " --set model.independent_layers=0 "}) {
    SCOPED_TRACE(more);
    fs::remove_all(folder_ / "a");
    fs::remove_all(folder_ / "b");
    const ShellResult first = train("a", more);
    ASSERT_EQ(first.code, 0) << first.err;
    const auto files = cache_of("a");
    ASSERT_EQ(files.size(), 3u);
    fs::create_directory(folder_ / "b");
    fs::copy(folder_ / "a/cache", folder_ / "b/cache");
    const auto copied = cache_of("b");
    const ShellResult found = train("b", more);
    ASSERT_EQ(found.code, 0) << found.err;
    EXPECT_EQ(cache_of("b"), copied) << "written again";
    EXPECT_THAT(said(first), HasSubstr("1 bad lines skipped, 2 without gold label left out"));
    EXPECT_THAT(said(first), HasSubstr("examples truncated"));
    EXPECT_EQ(said(found), said(first));
    EXPECT_EQ(metrics_without_times(folder_ / "b"), metrics_without_times(folder_ / "a"));
    EXPECT_TRUE(
        same_bytes(folder_ / "a/best/model.safetensors", folder_ / "b/best/model.safetensors"));
    EXPECT_TRUE(same_bytes(folder_ / "a/best/lait.yaml", folder_ / "b/best/lait.yaml"));
  }
}

TEST_F(TokenCacheOfARun, ItsDataSetsAreThoseOfMemory) {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{}, {"model.head=regression", "model.pooling=cls_segments"}}) {
    if (!options.empty()) {
      for (const char* name : {"train.jsonl", "validation.jsonl", "test.jsonl"}) {
        std::string text = read_file(folder_ / name);
        for (const std::string& label : kTinyLabels)
          for (size_t at = 0; (at = text.find("\"" + label + "\"", at)) != text.npos;)
            text.replace(at, label.size() + 2, std::to_string(label.size()) + ".5");
        write_file(folder_ / name, text);
      }
    }
    std::vector<std::string> all{"data.skip_bad_lines=3"};
    all.insert(all.end(), options.begin(), options.end());
    const RunInputs expected = read_inputs(config(all));
    for (int time = 0; time < 2; ++time) {
      TokenCache cache(folder_ / "cache", /*writes=*/true);
      const RunInputs in = read_inputs(config(all), cache);
      cache.keep([](const std::string& text) { ADD_FAILURE() << text; });
      EXPECT_EQ(in.spec.labels, expected.spec.labels);
      EXPECT_EQ(in.spec.num_segments, expected.spec.num_segments);
      EXPECT_EQ(in.warnings, expected.warnings);
      EXPECT_EQ(in.train.counts.bad_lines, 1);
      const auto mine = splits(in), others = splits(expected);
      ASSERT_EQ(mine.size(), others.size());
      for (size_t s = 0; s < mine.size(); ++s) {
        EXPECT_EQ(mine[s].second->dataset->checksum(), others[s].second->dataset->checksum());
        EXPECT_EQ(describe("", *mine[s].second), describe("", *others[s].second));
      }
    }
  }
}

// The damage is anywhere: in the tokens, at the end, the whole file.
TEST_F(TokenCacheOfARun, ADamagedFileIsSaidAndWrittenAgain) {
  ASSERT_EQ(train("run").code, 0);
  const auto before = contents(folder_ / "run");
  const fs::path file = cached("run", "train");
  const std::string whole = read_file(file);
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  for (const std::string& bytes : {flipped, whole.substr(0, whole.size() - 8), std::string()}) {
    write_file(file, bytes);
    const ShellResult result = train("run", "--overwrite");
    ASSERT_EQ(result.code, 0);
    EXPECT_THAT(result.err, HasSubstr(file.string() + ": expected a whole file of tokens"));
    EXPECT_EQ(read_file(file), whole);
    EXPECT_EQ(contents(folder_ / "run").at("best/model.safetensors"),
              before.at("best/model.safetensors"));
    EXPECT_THAT(train("run", "--overwrite").err, Not(HasSubstr("expected a whole file")));
  }
}

TEST_F(TokenCacheOfARun, OtherDataHasAnotherFile) {
  ASSERT_EQ(train("run").code, 0);
  const auto first = cache_of("run");
  const fs::path train_file = cached("run", "train"), validation = cached("run", "validation");
  write_file(folder_ / "run/cache/mine", "mine");
  // One letter, with the same size.
  std::string text = read_file(folder_ / "train.jsonl");
  text[text.find("am")] = 'b';
  write_file(folder_ / "train.jsonl", text);
  ASSERT_EQ(train("run", "--overwrite").code, 0);
  EXPECT_NE(cached("run", "train"), train_file);
  EXPECT_EQ(cached("run", "validation"), validation);
  EXPECT_EQ(cache_of("run").size(), 4u) << "the old file is still there";
  EXPECT_TRUE(fs::exists(folder_ / "run/cache/mine"));
  // How the data is read, and the tokenizer.
  for (const std::string more : {"--set data.max_segment_tokens=8", "--set data.skip_bad_lines=4",
                                 "--set model.independent_layers=0"}) {
    const fs::path before = cached("run", "train");
    ASSERT_EQ(train("run", "--overwrite " + more).code, 0);
    EXPECT_NE(cached("run", "train"), before) << more;
  }
  const fs::path before = cached("run", "train");
  write_file(folder_ / "model/tokenizer_config.json",
             R"({"do_lower_case": false, "tokenizer_class": "BertTokenizer"})");
  ASSERT_EQ(train("run", "--overwrite --set model.independent_layers=0").code, 0);
  EXPECT_NE(cached("run", "train"), before);
  EXPECT_EQ(cache_of("run").size(), 4u);
}

TEST_F(TokenCacheOfARun, WhatDoesNotTrainWritesNothing) {
  EXPECT_EQ(train("run", "--dry-run").code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  write_file(folder_ / "bad.jsonl", "{\n");
  EXPECT_EQ(train("run", "--set data.validation=" + path("bad.jsonl")).code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  fs::create_directory(folder_ / "run");
  EXPECT_EQ(train("run", "--set data.validation=" + path("bad.jsonl")).code, 2);
  EXPECT_TRUE(fs::is_empty(folder_ / "run"));
  ASSERT_EQ(train("run").code, 0);
  const auto before = contents(folder_ / "run");
  EXPECT_EQ(train("run", "--set data.max_segment_tokens=8").code, 2);
  EXPECT_EQ(train("run", "--resume --set data.train=" + path("validation.jsonl")).code, 2);
  auto after = contents(folder_ / "run");
  after[".lock"] = before.at(".lock");
  EXPECT_EQ(after, before);
}

TEST_F(TokenCacheOfARun, TheRunsOfASweepShareIt) {
  ASSERT_EQ(train("s", "--sweep training.seed=1,2").code, 0);
  const auto files = cache_of("s");
  EXPECT_EQ(files.size(), 3u);
  EXPECT_FALSE(fs::exists(folder_ / "s/training.seed=1/cache"));
  ASSERT_EQ(train("s", "--sweep training.seed=1,2 --overwrite").code, 0);
  EXPECT_EQ(cache_of("s"), files) << "written again";
}

// A pipe can be read once only.
TEST_F(TokenCacheOfARun, DataFromAPipeIsRead) {
  const ShellResult result =
      shell("mkfifo " + path("pipe") + " && { cat " + path("train.jsonl") + " >" + path("pipe") +
            " & } && " + program("lait-train") + " --config " + path("a.yaml") + kOptions +
            "--output " + path("run") + " --set data.train=" + path("pipe"));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(cache_of("run").size(), 2u);
}

TEST_F(TokenCacheOfARun, WithoutRoomTheRunGoesOnInMemory) {
  const RunInputs expected = read_inputs(config({"data.skip_bad_lines=3"}));
  SmallDisk disk(256);
  disk.fill(0);
  std::string warning;
  {
    TokenCache cache(disk / "run/cache", /*writes=*/true);
    const RunInputs in = read_inputs(config({"data.skip_bad_lines=3"}), cache);
    cache.keep([](const std::string&) { FAIL(); });
    ASSERT_EQ(in.warnings.size(), 1u) << "once, not for each split";
    warning = in.warnings.front();
    EXPECT_EQ(in.train.dataset->checksum(), expected.train.dataset->checksum());
    EXPECT_EQ(in.test.dataset->checksum(), expected.test.dataset->checksum());
  }
  EXPECT_THAT(warning, HasSubstr(disk.reason()));
  EXPECT_THAT(warning, HasSubstr("; the run goes on without the token cache"));
  EXPECT_FALSE(fs::exists(disk / "run"));
}

TEST_F(TokenCacheOfARun, OtherRanksFindWhatIsNotYetKept) {
  TokenCache first(folder_ / "cache", /*writes=*/true), other(folder_ / "cache", /*writes=*/false);
  const Config options = config({"data.skip_bad_lines=3"});
  const RunInputs in = read_inputs(options, first);
  // So that reading the texts would be seen.
  ASSERT_EQ(cache_of(".").size(), 3u);
  for (const auto& [name, time] : cache_of("."))
    EXPECT_TRUE(name.ends_with(kUnfinishedSuffix)) << name;
  const RunInputs found = read_inputs(options, other);
  EXPECT_THAT(found.warnings, IsEmpty());
  EXPECT_EQ(found.train.dataset->checksum(), in.train.dataset->checksum());
  // Two that hold the same pages have the same tokens at different places, but one file.
  first.keep([](const std::string& text) { ADD_FAILURE() << text; });
  EXPECT_EQ(cache_of(".").size(), 3u);
  EXPECT_EQ(found.train.dataset->checksum(), in.train.dataset->checksum());
}

}  // namespace
}  // namespace lait
