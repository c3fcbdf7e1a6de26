// Parity with Hugging Face: ids and offsets of every kind of tokenizer, and the text of
// BertNormalizer.
#include <gtest/gtest.h>

#include <algorithm>

#include "lait/text/byte_bpe/byte_level.h"
#include "lait/text/tokenizer.h"
#include "lait/text/wordpiece/normalizer.h"
#include "tests/text/tokenizer_oracle.h"

namespace lait {
namespace {

using tokenizer_oracle::difference;
using tokenizer_oracle::quoted;
using tokenizer_oracle::Records;

struct Case {
  const char* group;
  size_t min_texts;  // fewer would mean an oracle that looked at nothing
};
constexpr Case kCases[] = {
    {"hostile", 130}, {"code_points", 8688}, {"random", 18'000}, {"glosses", 100'000}, {"data", 1}};

class TokenizerParity : public testing::TestWithParam<std::tuple<Case, const char*>> {};

TEST_P(TokenizerParity, EqualsHuggingFace) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const auto [test_case, kind] = GetParam();
  const std::string group = test_case.group;
  const auto dir = tokenizer_oracle::folder();
  if (!std::filesystem::exists(dir / (group + ".texts"))) {
    GTEST_SKIP() << (group == "data" ? "LAIT_TEST_DATA is not set"
                                     : "no WordNet in /usr/share/wordnet");
  }
  if (!std::filesystem::exists(dir / kind))
    GTEST_SKIP() << "no model at " << tokenizer_oracle::kMpnet
                 << "; `cmake/setup.sh mpnet` fetches it";
  const auto tokenizer = load_tokenizer(dir / kind);
  const Records texts(dir / (group + ".texts"), 1),
      expected(dir / (group + "." + kind), sizeof(uint16_t)),
      expected_ranges(dir / (group + "." + kind + ".ranges"), sizeof(ByteRange));
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_EQ(texts.size(), expected_ranges.size());
  ASSERT_GE(texts.size(), test_case.min_texts);
  int failures = 0;
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
    if (wrong.empty()) wrong = difference(ranges, expected_ranges.items<ByteRange>(i));
    if (wrong.empty()) continue;
    ++failures;
    ADD_FAILURE() << "text " << i << " of " << group << ": " << quoted(texts.bytes(i)) << "\n"
                  << wrong;
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, TokenizerParity,
                         testing::Combine(testing::ValuesIn(kCases),
                                          testing::Values("uncased", "cased", "mpnet",
                                                          "mpnet_vocab", "bpe", "bpe_prefix")),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).group) + "_" +
                                  std::get<1>(info.param);
                         });

TEST(ByteLevelParity, ClassOfEveryCodePoint) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const Records records(tokenizer_oracle::folder() / "byte_level.classes", 1);
  char32_t c = 0;
  int failures = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    for (const char expected : records.bytes(i)) {
      if (c == 0xD800) c = 0xE000;  // no surrogates
      const char got = "LNSO"[static_cast<size_t>(byte_level_class(c))];
      if (got != expected && ++failures < 50) {
        ADD_FAILURE() << "code point 0x" << std::hex << static_cast<uint32_t>(c) << ": expected "
                      << expected << ", got " << got;
      }
      ++c;
    }
  }
  EXPECT_EQ(c, char32_t{0x110000});
}

struct NormalizerCase {
  const char* name;
  BertNormalizerOptions options;
};

class NormalizerParity : public testing::TestWithParam<NormalizerCase> {};

TEST_P(NormalizerParity, EqualsBertNormalizerForEveryCodePoint) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const Records records(tokenizer_oracle::folder() / (std::string("normalizer.") + GetParam().name),
                        1);
  ASSERT_EQ(records.size(), size_t{2 * (0x110000 - 0x800) / 256});
  const BertNormalizer normalizer(GetParam().options);
  int failures = 0;
  for (size_t i = 0; i < records.size() && failures < 20; i += 2) {
    std::string normalized, with_ranges;
    std::vector<ByteRange> ranges;
    normalizer.normalize(records.bytes(i), normalized);
    normalizer.normalize(records.bytes(i), with_ranges, ranges);
    ASSERT_EQ(normalized, with_ranges) << "block " << i / 2;
    ASSERT_EQ(ranges.size(), normalized.size()) << "block " << i / 2;
    const std::string_view wanted = records.bytes(i + 1);
    if (normalized == wanted) continue;
    ++failures;
    const auto at = static_cast<size_t>(
        std::mismatch(normalized.begin(), normalized.end(), wanted.begin(), wanted.end()).first -
        normalized.begin());
    ADD_FAILURE() << "block " << i / 2 << ": expected …"
                  << quoted(wanted.substr(at < 4 ? 0 : at - 4, 12)) << ", got …"
                  << quoted(std::string_view(normalized).substr(at < 4 ? 0 : at - 4, 12));
  }
}

INSTANTIATE_TEST_SUITE_P(Options, NormalizerParity,
                         testing::Values(NormalizerCase{"uncased", {true, true, true, true}},
                                         NormalizerCase{"cased", {true, true, false, false}},
                                         NormalizerCase{"strip", {false, false, true, false}},
                                         NormalizerCase{"lower", {false, false, false, true}}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lait
