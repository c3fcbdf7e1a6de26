// WordPiece on small vocabularies, each rule alone; no Python and no data needed.
#include "lait/text/wordpiece/wordpiece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

#include "tests/base/error_of.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Vocabulary::Entry> numbered(std::vector<std::string> tokens) {
  std::vector<Vocabulary::Entry> entries;
  for (std::string& token : tokens)
    entries.emplace_back(std::move(token), static_cast<int32_t>(entries.size()));
  return entries;
}

// Ids 0 … 4 are [PAD] [UNK] [CLS] [SEP] [MASK], the given tokens follow from 5.
WordPieceSpec spec_with(const std::vector<std::string>& tokens) {
  std::vector<std::string> all = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  all.insert(all.end(), tokens.begin(), tokens.end());
  WordPieceSpec spec;
  spec.entries = numbered(all);
  return spec;
}

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  tokenizer.encode(text, ids);
  return ids;
}

TEST(Vocabulary, FindsTheLongestEntry) {
  const Vocabulary vocabulary(numbered({"un", "unable", "##able", "a", ""}));
  EXPECT_EQ(vocabulary.find("unable"), 1);
  EXPECT_EQ(vocabulary.find("unab"), Vocabulary::kAbsent);
  EXPECT_EQ(vocabulary.size(), 5);
  const auto match = vocabulary.longest_match(Vocabulary::kRoot, "unabl");
  EXPECT_EQ(match.id, 0);
  EXPECT_EQ(match.length, 2u);
  EXPECT_EQ(vocabulary.longest_match(Vocabulary::kRoot, "x").id, Vocabulary::kAbsent);
  EXPECT_EQ(vocabulary.longest_match(Vocabulary::kRoot, "").id, Vocabulary::kAbsent);
  EXPECT_EQ(vocabulary.walk(Vocabulary::kRoot, "zz"), Vocabulary::kNoNode);
}

TEST(Vocabulary, LastOfEqualTokensCounts) {
  const Vocabulary vocabulary(numbered({"a", "b", "a"}));
  EXPECT_EQ(vocabulary.find("a"), 2);
  EXPECT_EQ(vocabulary.size(), 3);
}

// Against the plain search over all prefixes.
TEST(Vocabulary, EqualsPlainSearch) {
  const uint32_t seed = 5;
  std::mt19937 random(seed);
  const auto word = [&](size_t longest) {
    std::string made;
    for (size_t n = random() % longest; n > 0; --n) made += "ab\xC3\xFF"[random() % 4];
    return made;
  };
  std::map<std::string, int32_t> plain;
  std::vector<Vocabulary::Entry> entries;
  for (int32_t id = 0; id < 400; ++id) {
    entries.emplace_back(word(7), id);
    plain[entries.back().first] = id;
  }
  const Vocabulary vocabulary(entries);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = word(12);
    Vocabulary::Match expected{Vocabulary::kAbsent, 0};
    for (size_t length = 1; length <= text.size(); ++length) {
      if (const auto found = plain.find(text.substr(0, length)); found != plain.end())
        expected = {found->second, length};
    }
    const auto match = vocabulary.longest_match(Vocabulary::kRoot, text);
    EXPECT_EQ(match.id, expected.id) << "seed " << seed << ", case " << i;
    EXPECT_EQ(match.length, expected.length) << "seed " << seed << ", case " << i;
  }
}

TEST(WordPiece, CutsGreedily) {
  const WordPiece tokenizer(
      spec_with({"un", "##aff", "##able", "##affable", "runn", "##ing", ",", "a", "##b"}));
  EXPECT_THAT(encode(tokenizer, "unaffable"), ElementsAre(5, 8));
  EXPECT_THAT(encode(tokenizer, "unaffab"), ElementsAre(1))
      << "a word that does not come out is one [UNK]";
  EXPECT_THAT(encode(tokenizer, "Running, un"), ElementsAre(9, 10, 11, 5));
  EXPECT_THAT(encode(tokenizer, " \t\n"), IsEmpty());
  EXPECT_THAT(encode(tokenizer, ""), IsEmpty());
}

TEST(WordPiece, AppendsToTheOutput) {
  const WordPiece tokenizer(spec_with({"a"}));
  std::vector<int32_t> ids = {42};
  tokenizer.encode("a xyz a", ids);
  EXPECT_THAT(ids, ElementsAre(42, 5, 1, 5));
}

TEST(WordPiece, WordsLongerThanAHundredCharactersAreUnknown) {
  const WordPiece tokenizer(spec_with({"\u00FC", "##\u00FC", "a", "##a"}));
  const auto repeated = [](const std::string& part, size_t times) {
    std::string text;
    while (times-- > 0) text += part;
    return text;
  };
  WordPieceSpec cased = spec_with({"\u00FC", "##\u00FC"});
  cased.normalizer.lowercase = cased.normalizer.strip_accents = false;
  EXPECT_EQ(encode(tokenizer, repeated("a", 100)).size(), 100u);
  EXPECT_THAT(encode(tokenizer, repeated("a", 101)), ElementsAre(1));
  EXPECT_EQ(encode(WordPiece(cased), repeated("\u00FC", 100)).size(), 100u)
      << "characters count, not bytes";
  EXPECT_THAT(encode(tokenizer, repeated("a", 100'000) + " a"), ElementsAre(1, 7));
}

TEST(WordPiece, SpecialTokensInTheTextAreTheirIds) {
  const WordPiece tokenizer(spec_with({"a", "b", "[", "]", "sep"}));
  EXPECT_THAT(encode(tokenizer, "a[SEP]b [MASK]"), ElementsAre(5, 3, 6, 4));
  EXPECT_THAT(encode(tokenizer, "[sep]"), ElementsAre(7, 9, 8)) << "before lower-casing";
  EXPECT_THAT(encode(tokenizer, "[[CLS]]"), ElementsAre(7, 2, 8));
}

TEST(WordPiece, AddedTokens) {
  WordPieceSpec spec = spec_with({"a", "x", "##x", "ab", "new"});
  spec.added_tokens = {{.content = "<e>", .id = 20},
                       {.content = "<e>long", .id = 21},
                       {.content = "ab", .id = 22, .single_word = true},
                       {.content = "NEW", .id = 23, .normalized = true}};
  const WordPiece tokenizer(spec);
  EXPECT_THAT(encode(tokenizer, "a<e>x<e>longx"), ElementsAre(5, 20, 6, 21, 6))
      << "the longest wins";
  EXPECT_THAT(encode(tokenizer, "ab xab ab"), ElementsAre(22, 1, 22)) << "single words only";
  EXPECT_THAT(encode(tokenizer, "xNewx"), ElementsAre(6, 23, 6)) << "found in the normalised text";
  EXPECT_EQ(tokenizer.vocab_size(), 24);
}

TEST(WordPiece, AddedTokensMayTakeSpace) {
  WordPieceSpec spec = spec_with({"a", "b"});
  spec.added_tokens = {{.content = "<l>", .id = 20, .lstrip = true},
                       {.content = "<r>", .id = 21, .rstrip = true},
                       {.content = "  ", .id = 22}};
  const WordPiece tokenizer(spec);
  EXPECT_THAT(encode(tokenizer, "a \u3000<l>b <r> \t"), ElementsAre(5, 20, 6, 21));
  EXPECT_THAT(encode(tokenizer, "<r> <l>"), ElementsAre(21, 20));
  EXPECT_THAT(encode(tokenizer, "<r>  a"), ElementsAre(21, 22, 5))
      << "as Hugging Face: what a token takes is searched again";
}

std::vector<std::pair<int32_t, int32_t>> ranges_of(const Tokenizer& tokenizer,
                                                   std::string_view text) {
  std::vector<int32_t> ids, plain;
  std::vector<ByteRange> ranges;
  tokenizer.encode(text, ids, ranges);
  tokenizer.encode(text, plain);
  EXPECT_EQ(ids, plain) << text;
  EXPECT_EQ(ids.size(), ranges.size()) << text;
  std::vector<std::pair<int32_t, int32_t>> pairs;
  for (const ByteRange& range : ranges) pairs.emplace_back(range.begin, range.end);
  return pairs;
}

TEST(WordPiece, Ranges) {
  using P = std::pair<int32_t, int32_t>;
  const WordPiece tokenizer(spec_with({"ab", "##c", "e", "\u4E2D", "i"}));
  EXPECT_THAT(ranges_of(tokenizer, " ABC  \u00E9 xyz"),
              ElementsAre(P{1, 3}, P{3, 4}, P{6, 8}, P{9, 12}))
      << "an unknown word is whole";
  EXPECT_THAT(ranges_of(tokenizer,
                        "a\x01"
                        "b\u4E2D[SEP]\u4E2D"),
              ElementsAre(P{0, 3}, P{3, 6}, P{6, 11}, P{11, 14}));
  EXPECT_THAT(ranges_of(tokenizer, "e\u0301 \u0130"), ElementsAre(P{0, 1}, P{4, 6}))
      << "a mark that is stripped belongs to no token";
  EXPECT_THAT(ranges_of(tokenizer, "\xFF\xC3 e"), ElementsAre(P{3, 4}));
}

// MPNet's <mask> takes the space before it, but its range does not.
TEST(WordPiece, TrimmedRanges) {
  using P = std::pair<int32_t, int32_t>;
  WordPieceSpec spec = spec_with({"a"});
  spec.added_tokens = {{.content = "[MASK]", .id = 4, .lstrip = true, .rstrip = true}};
  EXPECT_THAT(ranges_of(WordPiece(spec), "a \u3000[MASK]  a"),
              ElementsAre(P{0, 1}, P{1, 13}, P{13, 14}));
  spec.trim_offsets.trim = true;
  EXPECT_THAT(ranges_of(WordPiece(spec), "a \u3000[MASK]  a"),
              ElementsAre(P{0, 1}, P{5, 11}, P{13, 14}));
  EXPECT_THAT(ranges_of(WordPiece(spec), "  [MASK]"), ElementsAre(P{2, 8}));
  spec.trim_offsets.add_prefix_space = true;
  EXPECT_THAT(ranges_of(WordPiece(spec), "  [MASK]"), ElementsAre(P{2, 8}));
  EXPECT_THAT(ranges_of(WordPiece(spec), " [MASK]"), ElementsAre(P{0, 7}))
      << "a single space counts as the added one";
}

TEST(WordPiece, RequiresSpecialTokens) {
  for (const std::string missing : {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}) {
    WordPieceSpec spec = spec_with({"a"});
    std::erase_if(spec.entries, [&](const auto& entry) { return entry.first == missing; });
    spec.where = "models/x/vocab.txt";
    EXPECT_THAT(error_of([&] { const WordPiece tokenizer(spec); }),
                HasSubstr("models/x/vocab.txt: expected the token " + missing));
  }
}

TEST(WordPiece, ManyThreadsGiveTheSame) {
  const WordPiece tokenizer(spec_with({"a", "##b", "##c", "d"}));
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

std::string normalized(std::string_view text, const BertNormalizerOptions& options = {}) {
  std::string out;
  BertNormalizer(options).normalize(text, out);
  return out;
}

TEST(BertNormalizer, CleansText) {
  EXPECT_EQ(normalized(std::string_view("a\0b\x01\x7F"
                                        "c",
                                        6)),
            "abc");
  EXPECT_EQ(normalized("a\tb\u00A0c\u2003d\r\n"), "a b c d  ");
  EXPECT_EQ(normalized("a\uFFFDb\u200B\uE000c"), "abc");
  EXPECT_EQ(normalized("\u4E2Dx\U00020000"), " \u4E2D x \U00020000 ");
}

TEST(BertNormalizer, LowersEachCharacter) {
  EXPECT_EQ(normalized("\u039F\u0394\u039F\u03A3"), "\u03BF\u03B4\u03BF\u03C3") << "no final sigma";
  EXPECT_EQ(normalized("\u0130"), "i");
  EXPECT_EQ(normalized("\u0130", {.strip_accents = false}), "i\u0307");
  EXPECT_EQ(normalized("\u00C9t\u00E9 \u1EC7"), "ete e");
  EXPECT_EQ(normalized("\uA7DC \U00010D50", {.strip_accents = false}), "\u019B \U00010D70")
      << "Unicode 16";
  EXPECT_EQ(normalized("\u00C9", {.strip_accents = false, .lowercase = false}), "\u00C9");
}

TEST(BertNormalizer, OrdersMarksThatStay) {
  // U+302E (class 224) and U+1D165 (216) are spacing marks: they stay and are sorted.
  EXPECT_EQ(normalized("a\u302E\U0001D165"), "a\U0001D165\u302E");
  EXPECT_EQ(normalized("a\u302E\x01\U0001D165"), "a\U0001D165\u302E")
      << "a dropped character does not part them";
  EXPECT_EQ(normalized("a\u302Eb\U0001D165"), "a\u302Eb\U0001D165");
}

// One U+FFFD for each maximal subpart, as Python's bytes.decode(errors="replace").
TEST(BertNormalizer, InvalidUtf8BecomesReplacementCharacters) {
  const BertNormalizerOptions plain{false, false, false, false};
  const std::string r = "\uFFFD";
  EXPECT_EQ(normalized("a\xFF"
                       "b",
                       plain),
            "a" + r + "b");
  EXPECT_EQ(normalized("\xE2\x82"
                       "a",
                       plain),
            r + "a");
  EXPECT_EQ(normalized("\xF0\x9F\x98", plain), r);
  EXPECT_EQ(normalized("\xC0\x80", plain), r + r);
  EXPECT_EQ(normalized("\xED\xA0\x80", plain), r + r + r) << "a surrogate";
  EXPECT_EQ(normalized("\xF4\x90\x80\x80", plain), r + r + r + r) << "above U+10FFFF";
  EXPECT_EQ(normalized("\xC3", plain), r);
  EXPECT_EQ(normalized("a\xFF"
                       "b"),
            "ab")
      << "clean_text removes it";
}

}  // namespace
}  // namespace lait
