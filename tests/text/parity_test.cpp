// Parity with Hugging Face: the ids of BertTokenizerFast, cased and uncased, and the text of BertNormalizer.
#include <gtest/gtest.h>

#include <algorithm>

#include "lait/text/tokenizer.h"
#include "lait/text/wordpiece/normalizer.h"
#include "tests/text/tokenizer_oracle.h"

namespace lait {
namespace {

using tokenizer_oracle::Records;

// The bytes around the place, others than printable ASCII as \xNN.
std::string quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, 300)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    }
  }
  return out + (text.size() > 300 ? "…" : "");
}

std::string window(const std::vector<int32_t>& ids, size_t at) {
  std::string out;
  for (size_t i = at < 3 ? 0 : at - 3; i < std::min(ids.size(), at + 6); ++i) {
    out += ' ';
    out += std::to_string(ids[i]);
  }
  return out;
}

struct Case {
  const char* group;
  const char* kind;
  size_t min_texts;  // fewer would mean an oracle that looked at nothing
};

class TokenizerParity : public testing::TestWithParam<Case> {};

TEST_P(TokenizerParity, EqualsBertTokenizerFast) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const auto [group, kind, min_texts] = GetParam();
  const auto dir = tokenizer_oracle::folder();
  const auto texts_path = dir / (std::string(group) + ".texts");
  if (!std::filesystem::exists(texts_path)) {
    GTEST_SKIP() << (std::string(group) == "data" ? "LAIT_TEST_DATA is not set"
                                                  : "no WordNet in /usr/share/wordnet");
  }
  const auto tokenizer = load_tokenizer(dir / kind);
  const Records texts(texts_path, 1), expected(dir / (std::string(group) + "." + kind), 2);
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_GE(texts.size(), min_texts);
  int failures = 0;
  std::vector<int32_t> ids;
  for (size_t i = 0; i < texts.size() && failures < 5; ++i) {
    ids.clear();
    tokenizer->encode(texts.bytes(i), ids);
    const std::vector<int32_t> wanted = expected.ids(i);
    if (ids == wanted) continue;
    ++failures;
    const auto at = static_cast<size_t>(
        std::mismatch(ids.begin(), ids.end(), wanted.begin(), wanted.end()).first - ids.begin());
    ADD_FAILURE() << "text " << i << " of " << group << ": " << quoted(texts.bytes(i))
                  << "\nfirst difference at token " << at << ": expected …" << window(wanted, at)
                  << ", got …" << window(ids, at);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Groups, TokenizerParity,
    testing::Values(Case{"hostile", "uncased", 100}, Case{"hostile", "cased", 100},
                    Case{"code_points", "uncased", 8688}, Case{"code_points", "cased", 8688},
                    Case{"random", "uncased", 18'000}, Case{"random", "cased", 18'000},
                    Case{"glosses", "uncased", 100'000}, Case{"glosses", "cased", 100'000},
                    Case{"data", "uncased", 1}, Case{"data", "cased", 1}),
    [](const auto& info) { return std::string(info.param.group) + "_" + info.param.kind; });

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
    std::string normalized;
    normalizer.normalize(records.bytes(i), normalized);
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
