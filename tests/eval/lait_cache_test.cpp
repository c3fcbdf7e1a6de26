// lait-cache, lait-predict --cache and --pairs as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "lait/predict/predictor.h"
#include "tests/eval/programs.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class CacheProgram : public Programs {
 protected:
  // 60 examples of few texts.
  std::string examples() {
    std::string lines;
    for (uint32_t i = 0; i < 60; ++i) {
      lines += R"({"segments": [")" + tiny_word(i % 6) + R"( am", ")" + tiny_word(20 + i % 25) +
               R"( bn co"]})"
               "\n";
    }
    return write("examples.jsonl", lines);
  }
  std::string texts(const std::string& name, uint32_t begin, uint32_t count) {
    std::string lines;
    for (uint32_t i = begin; i < begin + count; ++i)
      lines += R"({"id": "t)" + std::to_string(i) + R"(", "text": ")" + tiny_word(i) +
               R"( bn co"})"
               "\n";
    return write(name, lines);
  }
  std::string checkpoint(int64_t p, const TinyOptions& more = {}) {
    TinyOptions options = more;
    options.independent_layers = p;
    return write_checkpoint(folder_ / ("c" + std::to_string(p)), options).string();
  }
  std::string build(const std::string& checkpoint, const std::string& more) {
    return "./lait-cache build --precision fp32 --checkpoint '" + checkpoint + "' --cache '" +
           path("store") + "' " + more;
  }
  std::string cached(const std::string& checkpoint, const std::string& input,
                     const std::string& more = "") {
    return predict(checkpoint, input, "--cache '" + path("store") + "' " + more);
  }
};

TEST_F(CacheProgram, PredictionsFromTheStoreAreThoseWithoutOne) {
  const std::string input = examples();
  for (const int64_t p : {0, 2, 3, 4}) {
    const std::string c = checkpoint(p);
    const ShellResult plain = run(predict(c, input)), first = run(cached(c, input)),
                      second = run(cached(c, input, "--exact --batch-size 4"));
    ASSERT_EQ(plain.code, 0) << plain.err;
    ASSERT_EQ(first.code, 0) << first.err;
    EXPECT_EQ(first.out, plain.out) << "P " << p;
    EXPECT_EQ(second.out, plain.out) << "P " << p;
    EXPECT_THAT(first.err, HasSubstr("0 segments from ")) << "P " << p;
    EXPECT_THAT(second.err, HasSubstr(", 0 computed")) << "P " << p;
  }
}

TEST_F(CacheProgram, BuildFillsAheadAndSaysWhat) {
  const std::string c = checkpoint(3), input = examples();
  const ShellResult built = run(build(c, "--input '" + input + "'"));
  ASSERT_EQ(built.code, 0) << built.err;
  EXPECT_THAT(built.out, HasSubstr("31 distinct segments, 0 of them stored before"));
  EXPECT_THAT(built.out, HasSubstr("bytes a token"));
  const ShellResult again = run(build(c, "--input '" + input + "'"));
  EXPECT_THAT(again.out, HasSubstr("31 of them stored before (100.0 %), 0 computed"));
  EXPECT_THAT(run(cached(c, input)).err, HasSubstr("31 segments from"));

  const ShellResult stat = run("./lait-cache stat --cache '" + path("store") + "'");
  EXPECT_EQ(stat.code, 0);
  EXPECT_THAT(stat.out, HasSubstr("31 records in 1 files"));
  EXPECT_THAT(stat.out, HasSubstr("\"instructions\""));
  EXPECT_THAT(run("./lait-cache verify --cache '" + path("store") + "'").out,
              HasSubstr("31 whole records, 0 faults"));
  const ShellResult pruned =
      run("./lait-cache prune --cache '" + path("store") + "' --max-bytes 1KB");
  EXPECT_THAT(pruned.out, HasSubstr("dropped 1 files"));
  EXPECT_THAT(run("./lait-cache stat --cache '" + path("store") + "'").out, HasSubstr("0 records"));
}

// Types stand side by side in a store; none is taken for another, and hits do not change a score.
TEST_F(CacheProgram, TypesOfValuesStandSideBySide) {
  const std::string c = checkpoint(3), input = examples();
  const ShellResult exact = run(predict(c, input));
  std::map<std::string, std::string> first_of;
  for (const std::string type : {"auto", "int8", "bf16", "fp32"}) {
    SCOPED_TRACE(type);
    const ShellResult first = run(cached(c, input, "--cache-type " + type)),
                      second = run(cached(c, input, "--cache-type " + type));
    ASSERT_EQ(first.code, 0) << first.err;
    EXPECT_EQ(second.out, first.out);
    // Under fp32 auto has stored what fp32 finds.
    EXPECT_THAT(first.err, HasSubstr(type == "fp32" ? ", 0 computed" : "0 segments from"));
    EXPECT_THAT(second.err, HasSubstr(", 0 computed"));
    EXPECT_EQ(first.out == exact.out, type == "auto" || type == "fp32");
    first_of[type] = first.out;
  }
  EXPECT_EQ(run(cached(c, input)).out, exact.out) << "beside other types";
  const ShellResult stat = run("./lait-cache stat --cache '" + path("store") + "'");
  for (const char* type : {"fp32", "int8", "bf16"})
    EXPECT_THAT(stat.out, HasSubstr("\n  " + std::string(type) + ": 31 values of ")) << stat.out;
  std::filesystem::remove_all(path("store"));
  const ShellResult built = run(build(c, "--cache-type int8 --input '" + input + "'"));
  ASSERT_EQ(built.code, 0) << built.err;
  const ShellResult read = run(cached(c, input, "--cache-type int8"));
  EXPECT_THAT(read.err, HasSubstr(", 0 computed"));
  EXPECT_EQ(read.out, first_of["int8"]);
  EXPECT_EQ(run(build(c, "--cache-type int4 --input '" + input + "'")).code, 2);
  EXPECT_THAT(run(predict(c, input, "--cache-type int8")).err, HasSubstr("requires --cache"));
}

TEST_F(CacheProgram, TextsAreOtherSegments) {
  const std::string c = checkpoint(3), passages = texts("passages.jsonl", 20, 25);
  const ShellResult built = run("cat '" + passages + "' | " + build(c, "--texts -"));
  ASSERT_EQ(built.code, 0) << built.err;
  EXPECT_THAT(built.out, HasSubstr("25 distinct segments"));
  // Of the examples the claims are missing.
  EXPECT_THAT(run(cached(c, examples())).err, HasSubstr("25 segments from"));
}

TEST_F(CacheProgram, ProcessesOfALauncherTakePartsOfTheInput) {
  const std::string c = checkpoint(2), input = examples();
  std::string outputs;
  for (const char* rank : {"0", "1"}) {
    const ShellResult part =
        run(std::string("WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 "
                        "MASTER_PORT=29999 RANK=") +
            rank + " LOCAL_RANK=" + rank + " " + build(c, "--input '" + input + "'"));
    ASSERT_EQ(part.code, 0) << part.err;
    outputs += part.out;
  }
  EXPECT_THAT(outputs, HasSubstr("part 1 of 2"));
  EXPECT_THAT(outputs, HasSubstr("part 2 of 2"));
  EXPECT_THAT(run(cached(c, input)).err, HasSubstr(", 0 computed"));
}

TEST_F(CacheProgram, DamageIsNamedAndComputedAgain) {
  const std::string c = checkpoint(2), input = examples();
  run(build(c, "--input '" + input + "'"));
  for (const auto& file : fs::directory_iterator(folder_ / "store")) {
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(-70, std::ios::end);
    bytes.put('\x55');
  }
  const ShellResult verified = run("./lait-cache verify --cache '" + path("store") + "'");
  EXPECT_EQ(verified.code, 2);
  EXPECT_THAT(verified.out, HasSubstr("30 whole records, 1 faults"));
  EXPECT_THAT(verified.out, HasSubstr(".segments: byte "));
  const ShellResult result = run(cached(c, input));
  EXPECT_EQ(result.out, run(predict(c, input)).out);
  EXPECT_THAT(result.err, HasSubstr("30 segments from"));
  EXPECT_THAT(result.err, HasSubstr("is damaged; computed again"));
}

TEST_F(CacheProgram, MistakesAreNamed) {
  const std::string c = checkpoint(2), input = examples();
  const auto error = [&](const std::string& command) {
    const ShellResult result = run(command);
    EXPECT_EQ(result.code, 2) << command << result.out << result.err;
    return result.err;
  };
  EXPECT_THAT(error(build(c, "")), HasSubstr("expected --input or --texts"));
  EXPECT_THAT(error(build(c, "--texts '" + write("bad.jsonl", "{\"txt\": 1}\n") + "'")),
              HasSubstr("bad.jsonl:1: expected {\"text\": \"…\"} or a JSON string"));
  EXPECT_THAT(error(build(c, "--texts '" + write("empty.jsonl", "\n") + "'")),
              HasSubstr("expected segments, got a file without lines"));
  EXPECT_THAT(error("./lait-cache stat --cache '" + path("none") + "'"), HasSubstr(path("none")));
  const std::string pair =
      write_checkpoint(folder_ / "pair", {.format = SegmentFormat::kPair}).string();
  EXPECT_THAT(error(cached(pair, input)), HasSubstr("need segments that are computed apart"));
  EXPECT_THAT(error(predict(c, input, "--exact")), HasSubstr("--cache"));
}

// What stands before a line that cannot be stored is kept.
TEST_F(CacheProgram, WhatStandsBeforeABadLineIsStored) {
  const std::string c = checkpoint(2, {.max_tokens = 6, .on_overflow = OnOverflow::kError});
  const std::string good = R"({"segments": ["am", "bn"]})"
                           "\n"
                           R"({"segments": ["co", "am bn"]})"
                           "\n";
  const ShellResult too_long =
      run(build(c, "--input '" +
                       write("long.jsonl", good + R"({"segments": ["am", "am bn co dp eq fr"]})"
                                                  "\n") +
                       "'"));
  EXPECT_EQ(too_long.code, 2);
  EXPECT_THAT(too_long.err, HasSubstr("long.jsonl:3: "));
  EXPECT_THAT(run("./lait-cache stat --cache '" + path("store") + "'").out, HasSubstr("4 records"));
  EXPECT_EQ(run(build(c, "--input '" + write("bad.jsonl", good + "{\n") + "'")).code, 2);
  EXPECT_THAT(run(cached(c, write("good.jsonl", good))).err, HasSubstr("4 segments from"));
}

TEST_F(CacheProgram, TextsAreForModelsOfTwoSegments) {
  const std::string c = checkpoint(2, {.task = "multirc"});
  const ShellResult result = run(build(c, "--texts '" + texts("t.jsonl", 0, 3) + "'"));
  EXPECT_EQ(result.code, 2) << result.out;
  EXPECT_THAT(result.err, HasSubstr("expected 3 segments"));
}

// The score of every pair is what lait-predict gives it alone.
TEST_F(CacheProgram, PairsAreScoredAsAlone) {
  const std::string c = checkpoint(3), claims = texts("claims.jsonl", 0, 4),
                    passages = texts("passages.jsonl", 20, 30);
  std::string lines;
  for (int claim = 0; claim < 4; ++claim) {
    for (int passage = 20; passage < 50; ++passage) {
      lines += R"({"segments": [")" + tiny_word(claim) + R"( bn co", ")" + tiny_word(passage) +
               R"( bn co"]})"
               "\n";
    }
  }
  const auto alone = lines_of(run(predict(c, write("all.jsonl", lines))).out);
  ASSERT_EQ(alone.size(), 120u);
  const std::string command = "./lait-predict --precision fp32 --checkpoint '" + c + "' --pairs '" +
                              claims + "' '" + passages + "' --score neutral --top 5 ";
  const ShellResult result = run(command),
                    stored = run(command + "--cache '" + path("store") + "'");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(stored.out, result.out) << stored.err;
  // Values that are converted once for all claims give the scores of those converted for each.
  const std::string int8 = "--cache '" + path("store") + "' --cache-type int8";
  const auto of_int8 = lines_of(run(predict(c, path("all.jsonl"), int8)).out);
  for (const std::string& line : lines_of(run(command + int8).out)) {
    for (const json& match : json::parse(line)["matches"]) {
      const size_t claim = std::stoul(json::parse(line)["id"].get<std::string>().substr(1)),
                   passage = std::stoul(match["passage"].get<std::string>().substr(1)) - 20;
      EXPECT_EQ(match["score"], json::parse(of_int8[claim * 30 + passage])["scores"]["neutral"]);
    }
  }
  const auto out = lines_of(result.out);
  ASSERT_EQ(out.size(), 4u);
  for (size_t claim = 0; claim < 4; ++claim) {
    std::vector<std::pair<double, std::string>> expected;
    for (size_t p = 0; p < 30; ++p) {
      const double score = json::parse(alone[claim * 30 + p])["scores"]["neutral"];
      expected.emplace_back(-score, "t" + std::to_string(20 + p));
    }
    std::ranges::stable_sort(expected, {}, &std::pair<double, std::string>::first);
    const json line = json::parse(out[claim]);
    EXPECT_EQ(line.at("id"), "t" + std::to_string(claim));
    ASSERT_EQ(line.at("matches").size(), 5u);
    for (size_t k = 0; k < 5; ++k) {
      EXPECT_EQ(line["matches"][k]["passage"], expected[k].second);
      EXPECT_FLOAT_EQ(line["matches"][k]["score"].get<float>(),
                      static_cast<float>(-expected[k].first));
    }
  }
}

TEST_F(CacheProgram, PairsNeedAScore) {
  const std::string c = checkpoint(3), claims = texts("claims.jsonl", 0, 2),
                    passages = texts("passages.jsonl", 20, 3);
  const auto pairs = [&](const std::string& checkpoint, const std::string& more) {
    return run("./lait-predict --precision fp32 --quiet --checkpoint '" + checkpoint +
               "' --pairs '" + claims + "' '" + passages + "' " + more);
  };
  EXPECT_THAT(pairs(c, "").err, HasSubstr("one of {entails, neutral, refutes}, got none"));
  EXPECT_THAT(pairs(c, "--score nothing").err, HasSubstr("got 'nothing'"));
  const std::string regression =
      write_checkpoint(folder_ / "r", {.independent_layers = 2, .head = HeadKind::kRegression})
          .string();
  EXPECT_EQ(pairs(regression, "--score neutral").code, 2);
  const ShellResult scores = pairs(regression, "");
  ASSERT_EQ(scores.code, 0) << scores.err;
  EXPECT_EQ(scores.err, "");
  EXPECT_EQ(json::parse(lines_of(scores.out)[0])["matches"].size(), 3u);
}

}  // namespace
}  // namespace lait
