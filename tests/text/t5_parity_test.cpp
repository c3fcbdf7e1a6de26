// Parity with transformers' slow T5Tokenizer: ids, decoded texts and what files say; ranges with
// T5TokenizerFast, where it gives the same ids.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/text/tokenizer_oracle.h"

namespace lait {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using tokenizer_oracle::difference;
using tokenizer_oracle::quoted;
using tokenizer_oracle::Records;

struct T5Case {
  const char *group, *kind;
  // Fewer would mean an oracle that looked at nothing.
  size_t min_texts, min_ranges;
};

class T5Parity : public testing::TestWithParam<T5Case> {};

// Ranges are in order, in the text and at the boundaries of characters.
std::string problem_of(const std::vector<ByteRange>& ranges, std::string_view text) {
  const auto is_boundary = [&](int32_t at) {
    const auto i = static_cast<size_t>(at);
    return i == text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
  };
  int32_t begin = 0;
  for (const ByteRange& range : ranges) {
    if (range.begin < begin || range.end < range.begin ||
        range.end > static_cast<int32_t>(text.size()) || !is_boundary(range.begin) ||
        !is_boundary(range.end)) {
      return "the range " + std::to_string(range.begin) + " to " + std::to_string(range.end);
    }
    begin = range.begin;
  }
  return "";
}

TEST_P(T5Parity, EqualsT5Tokenizer) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const auto [group, kind, min_texts, min_ranges] = GetParam();
  const auto dir = tokenizer_oracle::t5_folder();
  const auto file = [&](const std::string& end) { return dir / (std::string(group) + end); };
  const std::string of_kind = std::string(".") + kind;
  if (!std::filesystem::exists(file(of_kind)))
    GTEST_SKIP() << "LAIT_TEST_DATA has no tokenizers/t5, or no WordNet in /usr/share/wordnet";
  const auto tokenizer = load_tokenizer(dir / kind);
  const Records texts(file(".texts"), 1), expected(file(of_kind), sizeof(uint16_t)),
      expected_ranges(file(of_kind + ".ranges"), sizeof(ByteRange));
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_EQ(texts.size(), expected_ranges.size());
  ASSERT_GE(texts.size(), min_texts);
  int failures = 0;
  size_t num_ranges = 0;
  std::vector<int32_t> ids, ids_with_ranges;
  std::vector<ByteRange> ranges;
  for (size_t i = 0; i < texts.size() && failures < 5; ++i) {
    ids.clear();
    ids_with_ranges.clear();
    ranges.clear();
    tokenizer->encode(texts.bytes(i), ids);
    tokenizer->encode(texts.bytes(i), ids_with_ranges, ranges);
    std::string wrong = difference(ids, expected.ids(i));
    if (wrong.empty()) wrong = difference(ids_with_ranges, ids);
    if (wrong.empty() && ranges.size() != ids.size()) wrong = "not as many ranges as tokens";
    // U+FFFD stands for each part of invalid UTF-8, wherever it ends.
    if (wrong.empty() && std::string_view(group) != "random" &&
        std::string_view(group) != "hostile")
      wrong = problem_of(ranges, texts.bytes(i));
    const auto wanted = expected_ranges.items<ByteRange>(i);
    num_ranges += wanted.size();
    if (wrong.empty() && !wanted.empty()) wrong = difference(ranges, wanted);
    if (wrong.empty()) continue;
    ++failures;
    ADD_FAILURE() << "text " << i << " of " << group << ": " << quoted(texts.bytes(i)) << "\n"
                  << wrong;
  }
  EXPECT_GE(num_ranges, min_ranges);
}

INSTANTIATE_TEST_SUITE_P(
    Groups, T5Parity,
    testing::Values(T5Case{"hostile", "small", 150, 1000},
                    T5Case{"hostile", "small_legacy", 150, 0}, T5Case{"hostile", "t5", 150, 1000},
                    T5Case{"hostile", "t5_legacy", 150, 0}, T5Case{"random", "small", 18'000, 100},
                    T5Case{"random", "small_legacy", 18'000, 0},
                    T5Case{"random", "t5", 18'000, 100}, T5Case{"random", "t5_legacy", 18'000, 0},
                    T5Case{"code_points", "small", 8688, 0}, T5Case{"code_points", "t5", 8688, 0},
                    T5Case{"glosses", "t5", 100'000, 100'000},
                    T5Case{"data", "t5", 10'000, 100'000}, T5Case{"data", "t5_legacy", 10'000, 0}),
    [](const auto& info) { return std::string(info.param.group) + "_" + info.param.kind; });

class T5Decoding : public testing::TestWithParam<const char*> {};

TEST_P(T5Decoding, EqualsT5Tokenizer) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const auto dir = tokenizer_oracle::t5_folder();
  const std::string name = std::string("decode.") + GetParam();
  if (!std::filesystem::exists(dir / name)) GTEST_SKIP() << "LAIT_TEST_DATA has no tokenizers/t5";
  const auto tokenizer = load_tokenizer(dir / GetParam());
  const Records ids(dir / name, sizeof(uint16_t)), texts(dir / (name + ".texts"), 1);
  ASSERT_GE(ids.size(), size_t{4000});
  ASSERT_EQ(texts.size(), 2 * ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    for (const bool skip : {false, true})
      ASSERT_EQ(tokenizer->decode(ids.ids(i), skip), texts.bytes(2 * i + (skip ? 1 : 0)))
          << "list " << i << ", " << testing::PrintToString(ids.ids(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, T5Decoding,
                         testing::Values("small", "small_legacy", "t5", "t5_legacy"),
                         [](const auto& info) { return std::string(info.param); });

// Each file and field of the cases is honoured as transformers honours it; where it refuses one, so
// does LAIT. A saved copy gives the same.
TEST(T5Files, GiveTheIdsOfT5Tokenizer) {
  LAIT_SKIP_WITHOUT_TRANSFORMERS4();
  const auto dir = tokenizer_oracle::t5_folder() / "cases";
  const json texts = json::parse(read_file(dir / "texts.json"));
  size_t num_honoured = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename());
    const json expected = json::parse(read_file(entry.path() / "expected.json"));
    if (!expected.contains("ids")) {
      EXPECT_THAT(error_of([&] { load_tokenizer(entry.path()); }), HasSubstr("expected"))
          << expected;
      continue;
    }
    ++num_honoured;
    const TemporaryFolder copy;
    load_tokenizer(entry.path())->save(copy.path());
    for (const auto& folder : {entry.path(), copy.path()}) {
      const auto tokenizer = load_tokenizer(folder);
      EXPECT_EQ(tokenizer->vocab_size(), expected["size"]);
      EXPECT_EQ(tokenizer->special_tokens().sep, expected["eos"]);
      EXPECT_EQ(tokenizer->special_tokens().pad, expected["pad"]);
      for (size_t i = 0; i < texts.size(); ++i) {
        std::vector<int32_t> ids;
        tokenizer->encode(texts[i].get<std::string>(), ids);
        EXPECT_EQ(ids, expected["ids"][i].get<std::vector<int32_t>>()) << texts[i];
      }
    }
  }
  EXPECT_GE(num_honoured, size_t{23});
}

}  // namespace
}  // namespace lait
