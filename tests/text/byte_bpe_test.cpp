// Byte-level BPE on small vocabularies, each rule alone; no Python and no data needed.
#include "lait/text/byte_bpe/byte_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "lait/text/byte_bpe/byte_level.h"
#include "lait/text/utf8.h"
#include "tests/base/error_of.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Ids 0 to 255 are the bytes, 256 to 260 <s> <pad> </s> <unk> <mask>; the merges' tokens follow
// from 261.
ByteBpeSpec spec_with(const std::vector<std::pair<std::string, std::string>>& merges) {
  ByteBpeSpec spec;
  for (const std::string& byte : byte_level_alphabet())
    spec.vocabulary.emplace(byte, static_cast<int32_t>(spec.vocabulary.size()));
  for (const char* token : {"<s>", "<pad>", "</s>", "<unk>", "<mask>"})
    spec.vocabulary.emplace(token, static_cast<int32_t>(spec.vocabulary.size()));
  for (const auto& [left, right] : merges) {
    const auto joined =
        spec.vocabulary.emplace(left + right, static_cast<int32_t>(spec.vocabulary.size())).first;
    spec.merges.push_back({spec.vocabulary.at(left), spec.vocabulary.at(right), joined->second});
  }
  return spec;
}

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  tokenizer.encode(text, ids);
  return ids;
}

using P = std::pair<int32_t, int32_t>;

std::vector<P> ranges_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  std::vector<ByteRange> ranges;
  tokenizer.encode(text, ids, ranges);
  EXPECT_EQ(ids, encode(tokenizer, text)) << text;
  EXPECT_EQ(ids.size(), ranges.size()) << text;
  std::vector<P> pairs;
  for (const ByteRange& range : ranges) pairs.emplace_back(range.begin, range.end);
  return pairs;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = byte_level_word_end(text, begin);
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

TEST(ByteLevel, SplitsAsGpt2) {
  EXPECT_THAT(words_of("Hello  world, it's 1st!?"),
              ElementsAre("Hello", " ", " world", ",", " it", "'s", " 1", "st", "!?"));
  EXPECT_THAT(words_of("they'll I'd we've I'm you're can't 'x"),
              ElementsAre("they", "'ll", " I", "'d", " we", "'ve", " I", "'m", " you", "'re",
                          " can", "'t", " '", "x"));
  EXPECT_THAT(words_of("IT'S"), ElementsAre("IT", "'", "S"));
  EXPECT_THAT(words_of("!'s 's"), ElementsAre("!'", "s", " '", "s"));
  EXPECT_THAT(words_of("a \n b  "), ElementsAre("a", " \n", " b", "  "));
  EXPECT_THAT(words_of("a\n\nb\nc"), ElementsAre("a", "\n", "\n", "b", "\n", "c"));
  EXPECT_THAT(words_of("\u3000 \u00E9\u4E2D\u0663"),
              ElementsAre("\u3000", " \u00E9\u4E2D", "\u0663"));
  EXPECT_THAT(words_of("e\u0301"), ElementsAre("e", "\u0301")) << "a mark is no letter";
  EXPECT_THAT(words_of("'"), ElementsAre("'"));
  EXPECT_THAT(words_of(" "), ElementsAre(" "));
}

TEST(ByteLevel, Alphabet) {
  EXPECT_EQ(byte_level_alphabet()['a'], "a");
  EXPECT_EQ(byte_level_alphabet()[' '], "\u0120");
  EXPECT_EQ(byte_level_alphabet()['\n'], "\u010A");
  EXPECT_EQ(byte_level_alphabet()[0xAD], "\u0143");
  EXPECT_EQ(byte_level_alphabet()[0xFF], "\u00FF");
  EXPECT_EQ(byte_level_bytes("\u0120the"), " the");
  EXPECT_EQ(byte_level_bytes("a b"), std::nullopt);
}

TEST(Utf8, ReplacesInvalidBytes) {
  EXPECT_TRUE(is_valid_utf8("plain and \u00E9\U0001F600"));
  for (const std::string_view text : {"12345678\xFF", "\xED\xA0\x80", "\xC0\x80", "\xF0\x9F\x98"})
    EXPECT_FALSE(is_valid_utf8(text));
  std::vector<int32_t> origins;
  EXPECT_EQ(replace_invalid_utf8("a\xF0\x9F\x98z", &origins), "a\uFFFDz");
  EXPECT_THAT(origins, ElementsAre(0, 1, 1, 1, 4, 5));
}

TEST(ByteBpe, MergesByRank) {
  const ByteBpe tokenizer(spec_with({{"b", "c"}, {"a", "b"}, {"a", "bc"}, {"\u0120", "abc"}}));
  EXPECT_THAT(encode(tokenizer, "abc"), ElementsAre(263)) << "b c ranks before a b";
  EXPECT_THAT(encode(tokenizer, "ab abc"), ElementsAre(262, 264));
  EXPECT_THAT(encode(tokenizer, "aab"), ElementsAre('a', 262));
  EXPECT_THAT(encode(tokenizer, ""), IsEmpty());
}

TEST(ByteBpe, LeftmostOfEqualMergesIsFirst) {
  const ByteBpe tokenizer(spec_with({{"a", "a"}}));
  EXPECT_THAT(encode(tokenizer, "aaaaa"), ElementsAre(261, 261, 'a'));
}

// Against the plain loop: join the leftmost of the lowest-ranking neighbours until none is left.
TEST(ByteBpe, EqualsPlainMerging) {
  const uint32_t seed = 7;
  std::mt19937 random(seed);
  std::vector<std::string> tokens = {"a", "b", "c"};
  std::vector<std::pair<std::string, std::string>> pairs;
  for (int i = 0; i < 60; ++i) {
    const std::string left = tokens[random() % tokens.size()],
                      right = tokens[random() % tokens.size()];
    pairs.emplace_back(left, right);
    tokens.push_back(left + right);
  }
  const ByteBpeSpec spec = spec_with(pairs);
  std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>> ranks;
  for (size_t i = 0; i < spec.merges.size(); ++i)
    ranks[{spec.merges[i].left, spec.merges[i].right}] = {i, spec.merges[i].joined};
  const ByteBpe tokenizer(spec);
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (size_t n = 1 + random() % 40; n > 0; --n) word += "abc"[random() % 3];
    std::vector<int32_t> expected;
    for (const char c : word) expected.push_back(spec.vocabulary.at(std::string(1, c)));
    for (;;) {
      size_t best = 0, rank = SIZE_MAX;
      for (size_t k = 0; k + 1 < expected.size(); ++k) {
        const auto found = ranks.find({expected[k], expected[k + 1]});
        if (found != ranks.end() && found->second.first < rank) {
          best = k;
          rank = found->second.first;
        }
      }
      if (rank == SIZE_MAX) break;
      expected[best] = ranks.at({expected[best], expected[best + 1]}).second;
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    ASSERT_EQ(encode(tokenizer, word), expected)
        << "seed " << seed << ", case " << i << ": " << word;
  }
}

TEST(ByteBpe, AnyBytes) {
  const ByteBpe tokenizer(spec_with({}));
  EXPECT_THAT(encode(tokenizer, std::string_view("\0\n", 2)), ElementsAre(0, '\n'));
  EXPECT_THAT(encode(tokenizer, "\u00E9"), ElementsAre(0xC3, 0xA9));
  EXPECT_THAT(encode(tokenizer, "\xFF"), ElementsAre(0xEF, 0xBF, 0xBD)) << "U+FFFD";
  EXPECT_THAT(ranges_of(tokenizer, "a\xF0\x9F z"),
              ElementsAre(P{0, 1}, P{1, 3}, P{1, 3}, P{1, 3}, P{4, 4}, P{4, 5}));
}

TEST(ByteBpe, SpecialTokensInTheTextAreTheirIds) {
  const ByteBpe tokenizer(spec_with({}));
  EXPECT_THAT(encode(tokenizer, "a</s>b"), ElementsAre('a', 258, 'b'));
  EXPECT_EQ(tokenizer.special_tokens().cls, 256);
  EXPECT_EQ(tokenizer.special_tokens().mask, 260);
  EXPECT_EQ(tokenizer.vocab_size(), 261);
}

TEST(ByteBpe, PrefixSpace) {
  ByteBpeSpec spec = spec_with({{"\u0120", "a"}});
  spec.add_prefix_space = spec.trim_offsets.add_prefix_space = true;
  const ByteBpe tokenizer(spec);
  EXPECT_THAT(encode(tokenizer, "a a</s>a"), ElementsAre(261, 261, 258, 261));
  EXPECT_THAT(encode(tokenizer, " a"), ElementsAre(261));
  EXPECT_THAT(encode(tokenizer, ""), IsEmpty());
}

TEST(ByteBpe, IgnoreMerges) {
  ByteBpeSpec spec = spec_with({});
  spec.vocabulary.emplace("ab", 261);
  EXPECT_THAT(encode(ByteBpe(spec), "ab"), ElementsAre('a', 'b'));
  spec.ignore_merges = true;
  EXPECT_THAT(encode(ByteBpe(spec), "ab abc"), ElementsAre(261, ' ', 'a', 'b', 'c'))
      << "only a whole word";
}

TEST(ByteBpe, Ranges) {
  ByteBpeSpec spec = spec_with({{"\u0120", "a"}, {"\u0120", "\u0120"}});
  spec.added_tokens = {{.content = "<mask>", .id = 260, .lstrip = true}};
  const ByteBpe trimmed(spec);
  EXPECT_THAT(ranges_of(trimmed, "a a    a"),
              ElementsAre(P{0, 1}, P{2, 3}, P{5, 5}, P{6, 6}, P{7, 8}));
  EXPECT_THAT(ranges_of(trimmed, "a  <mask>"), ElementsAre(P{0, 1}, P{3, 9}));
  EXPECT_THAT(ranges_of(trimmed, "\u00E9"), ElementsAre(P{0, 2}, P{0, 2}))
      << "a part of a character has the range of the whole";
  spec.trim_offsets.trim = false;
  EXPECT_THAT(ranges_of(ByteBpe(spec), "a a    a"),
              ElementsAre(P{0, 1}, P{1, 3}, P{3, 5}, P{5, 6}, P{6, 8}));
}

TEST(ByteBpe, RangesWithPrefixSpace) {
  ByteBpeSpec spec = spec_with({{"\u0120", "a"}});
  spec.add_prefix_space = spec.trim_offsets.add_prefix_space = true;
  const ByteBpe tokenizer(spec);
  EXPECT_THAT(ranges_of(tokenizer, "a a"), ElementsAre(P{0, 1}, P{2, 3}));
  EXPECT_THAT(ranges_of(tokenizer, "\u00E9"), ElementsAre(P{0, 0}, P{0, 2}, P{0, 2}));
  EXPECT_THAT(ranges_of(tokenizer, "</s>a"), ElementsAre(P{0, 4}, P{5, 5}))
      << "as Hugging Face: the range loses a character to the space that was put before it";
}

TEST(ByteBpe, RequiresBytesAndSpecialTokens) {
  const auto error_without = [](const std::string& token) {
    ByteBpeSpec spec = spec_with({});
    spec.vocabulary.erase(token);
    spec.where = "models/x/vocab.json";
    return error_of([&] { const ByteBpe tokenizer(spec); });
  };
  EXPECT_THAT(error_without("\u0120"), HasSubstr("models/x/vocab.json: expected a token for each "
                                                 "byte, got none for the byte 32 ('\u0120')"));
  for (const std::string token : {"<s>", "</s>", "<pad>"})
    EXPECT_THAT(error_without(token),
                HasSubstr("models/x/vocab.json: expected the token " + token));
  EXPECT_EQ(error_without("<unk>"), "");
}

TEST(ByteBpe, ManyThreadsGiveTheSame) {
  const ByteBpe tokenizer(spec_with({{"a", "b"}, {"ab", "c"}, {"\u0120", "d"}}));
  const std::vector<int32_t> expected = encode(tokenizer, "abc d, d\u00E9 abcc");
  std::vector<std::thread> threads;
  std::array<int, 4> wrong{};
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) count += encode(tokenizer, "abc d, d\u00E9 abcc") != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace lait
