// load_tokenizer: which file says what, the errors of missing and malformed files, and what save
// writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "lait/base/files.h"
#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"

namespace lait {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kLowerVocab =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n##s\ncafe\ncaf\u00E9\n\u4E2D\n";
constexpr const char* kLowerNormalizer = R"({"type": "BertNormalizer", "lowercase": true})";
constexpr const char* kMixedVocab =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nHello\ncafe\ncaf\u00E9\n";

std::string tokenizer_json(const std::string& normalizer = kLowerNormalizer,
                           const std::string& added = "[]") {
  return R"({"truncation": {"max_length": 1}, "padding": {"strategy": {"Fixed": 128}}, )"
         R"("added_tokens": )" +
         added + R"(, "normalizer": )" + normalizer +
         R"(, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": )" +
         R"({"type": "WordPiece", "unk_token": "[UNK]", )"
         R"("vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "hello": 4, "Hello": 5, )"
         R"("cafe": 6}}})";
}

class LoadTokenizer : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    dir_ = std::filesystem::temp_directory_path() /
           ("lait_" + std::to_string(getpid()) + "_" + info->name());
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void put(const std::string& name, std::string_view content) { write_file(dir_ / name, content); }
  std::vector<int32_t> encode(std::string_view text) { return encode_from(dir_, text); }
  static std::vector<int32_t> encode_from(const std::filesystem::path& dir, std::string_view text) {
    std::vector<int32_t> ids;
    load_tokenizer(dir)->encode(text, ids);
    return ids;
  }
  std::string error() {
    return error_of([&] { load_tokenizer(dir_); });
  }
  std::string path(const char* name) const { return (dir_ / name).string(); }

  std::filesystem::path dir_;
};

TEST_F(LoadTokenizer, VocabTxt) {
  put("vocab.txt", kLowerVocab);
  const auto tokenizer = load_tokenizer(dir_);
  const SpecialTokens special_tokens = tokenizer->special_tokens();
  EXPECT_EQ(special_tokens.cls, 2);
  EXPECT_EQ(special_tokens.sep, 3);
  EXPECT_EQ(special_tokens.pad, 0);
  EXPECT_EQ(special_tokens.unk, 1);
  EXPECT_EQ(special_tokens.mask, 4);
  EXPECT_EQ(tokenizer->vocab_size(), 10);
  EXPECT_THAT(encode("HELLOs caf\u00E9"), ElementsAre(5, 6, 7))
      << "no capitals in it: lower-cased, accents stripped";
}

TEST_F(LoadTokenizer, VocabTxtWithOtherLineEnds) {
  put("vocab.txt", "\xEF\xBB\xBF[PAD]\r\n[UNK] \n[CLS]\n[SEP]\n\nhello\t\n[MASK]");
  EXPECT_THAT(encode("hello [MASK]"), ElementsAre(5, 6)) << "an empty line keeps its id";
  EXPECT_EQ(load_tokenizer(dir_)->vocab_size(), 7);
}

TEST_F(LoadTokenizer, VocabularyWithCapitalsIsCased) {
  put("vocab.txt", kMixedVocab);
  EXPECT_THAT(encode("Hello hello caf\u00E9"), ElementsAre(6, 5, 8));
}

TEST_F(LoadTokenizer, ConfigDecides) {
  put("vocab.txt", kMixedVocab);
  put("tokenizer_config.json", R"({"do_lower_case": true})");
  EXPECT_THAT(encode("Hello caf\u00E9"), ElementsAre(5, 7));
  put("tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": false})");
  EXPECT_THAT(encode("Hello caf\u00E9"), ElementsAre(5, 8));
  put("tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": null})");
  EXPECT_THAT(encode("Hello caf\u00E9"), ElementsAre(6, 8));
}

TEST_F(LoadTokenizer, ChineseCharactersMayStayTogether) {
  put("vocab.txt", kLowerVocab);
  EXPECT_THAT(encode("\u4E2D\u4E2D"), ElementsAre(9, 9));
  put("tokenizer_config.json", R"({"tokenize_chinese_chars": false})");
  EXPECT_THAT(encode("\u4E2D\u4E2D"), ElementsAre(1));
}

TEST_F(LoadTokenizer, TokenizerJson) {
  put("tokenizer.json", tokenizer_json());
  EXPECT_THAT(encode("Hello caf\u00E9 hello"), ElementsAre(4, 6, 4))
      << "its truncation is not taken";
  put("tokenizer.json", tokenizer_json(R"({"type": "BertNormalizer", "lowercase": false})"));
  EXPECT_THAT(encode("Hello"), ElementsAre(5));
  EXPECT_EQ(load_tokenizer(dir_)->vocab_size(), 7);
}

TEST_F(LoadTokenizer, AddedTokens) {
  put("tokenizer.json",
      tokenizer_json(kLowerNormalizer, R"([{"id": 7, "content": "<Entity>", "special": true}])"));
  EXPECT_THAT(encode("hello<Entity>hello"), ElementsAre(4, 7, 4));
  EXPECT_EQ(load_tokenizer(dir_)->vocab_size(), 8);
  put("tokenizer_config.json",
      R"({"added_tokens_decoder": {"7": {"content": "<Entity>", "special": true},)"
      R"( "8": {"content": "<Two>", "special": true}}})");
  EXPECT_THAT(encode("<Two><Entity>"), ElementsAre(8, 7));
}

TEST_F(LoadTokenizer, NamesOfSpecialTokens) {
  put("vocab.txt", "<pad>\n<unk>\n<s>\n</s>\nhello\n");
  put("special_tokens_map.json",
      R"({"cls_token": "<s>", "sep_token": {"content": "</s>", "lstrip": false}})");
  put("tokenizer_config.json", R"({"unk_token": "<unk>", "pad_token": {"content": "<pad>"}})");
  const auto tokenizer = load_tokenizer(dir_);
  EXPECT_EQ(tokenizer->special_tokens().cls, 2);
  EXPECT_EQ(tokenizer->special_tokens().sep, 3);
  EXPECT_EQ(tokenizer->special_tokens().mask, kNoToken);
  EXPECT_THAT(encode("hello x</s>"), ElementsAre(4, 1, 3));
}

// MPNet's vocabulary, without a file that names its special tokens.
TEST_F(LoadTokenizer, MpnetVocabTxt) {
  put("vocab.txt", "<s>\n<pad>\n</s>\n<unk>\n[UNK]\nhello\n<mask>\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n");
  const SpecialTokens special_tokens = load_tokenizer(dir_)->special_tokens();
  EXPECT_EQ(special_tokens.cls, 0);
  EXPECT_EQ(special_tokens.sep, 2);
  EXPECT_EQ(special_tokens.pad, 1);
  EXPECT_EQ(special_tokens.unk, 4);
  EXPECT_EQ(special_tokens.mask, 6);
  EXPECT_THAT(encode("Hello <mask>x"), ElementsAre(5, 6, 4));
  load_tokenizer(dir_)->save(dir_ / "copy");
  EXPECT_THAT(read_file(dir_ / "copy" / "tokenizer_config.json"), HasSubstr("MPNetTokenizer"));
}

// What a file says of a special token holds also where another file only names it.
TEST_F(LoadTokenizer, FlagsOfSpecialTokens) {
  put("vocab.txt", kLowerVocab);
  put("special_tokens_map.json",
      R"({"mask_token": {"content": "[MASK]", "lstrip": true, "rstrip": true}})");
  put("tokenizer_config.json", R"({"mask_token": "[MASK]"})");
  std::vector<int32_t> ids;
  std::vector<ByteRange> ranges;
  load_tokenizer(dir_)->encode("hello  [MASK] hello", ids, ranges);
  EXPECT_THAT(ids, ElementsAre(5, 4, 5));
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 5}, ByteRange{5, 14}, ByteRange{14, 19}));
}

TEST_F(LoadTokenizer, AddedTokensJson) {
  put("vocab.txt", kLowerVocab);
  put("added_tokens.json", R"({"<E>": 10, "[new]": 11})");
  put("tokenizer_config.json", R"({"additional_special_tokens": ["<E>", "hello", "not there"]})");
  EXPECT_THAT(encode("hellox<E><e>[NEW]"), ElementsAre(5, 1, 10, 1, 1, 1, 11))
      << "only [new] is searched for in the normalised text";
  EXPECT_THAT(encode("not there"), ElementsAre(12)) << "numbered behind the others";
  EXPECT_EQ(load_tokenizer(dir_)->vocab_size(), 13);
}

TEST_F(LoadTokenizer, SaveGivesTheSameTokenizer) {
  put("vocab.txt", kMixedVocab);
  put("special_tokens_map.json", "{}");
  load_tokenizer(dir_)->save(dir_ / "copy");
  EXPECT_EQ(read_file(dir_ / "copy" / "vocab.txt"), kMixedVocab);
  EXPECT_TRUE(std::filesystem::exists(dir_ / "copy" / "special_tokens_map.json"));
  EXPECT_THAT(read_file(dir_ / "copy" / "tokenizer_config.json"),
              HasSubstr(R"("do_lower_case": false)"))
      << "transformers would lower-case without it";
  EXPECT_THAT(encode_from(dir_ / "copy", "Hello"), ElementsAre(6));
  put("tokenizer_config.json", R"({"model_max_length": 512})");
  load_tokenizer(dir_)->save(dir_ / "second");
  EXPECT_THAT(
      read_file(dir_ / "second" / "tokenizer_config.json"),
      AllOf(HasSubstr(R"("do_lower_case": false)"), HasSubstr(R"("model_max_length": 512)")));
  put("tokenizer_config.json", R"({"do_lower_case":false})");
  load_tokenizer(dir_)->save(dir_ / "third");
  EXPECT_EQ(read_file(dir_ / "third" / "tokenizer_config.json"), R"({"do_lower_case":false})")
      << "copied as it is";
}

TEST_F(LoadTokenizer, MissingFiles) {
  EXPECT_THAT(error(),
              AllOf(HasSubstr(dir_.string() + ": expected a tokenizer, found none of its files"),
                    HasSubstr("tokenizer.json of type WordPiece, or vocab.txt")));
  dir_ /= "no_such_folder";
  EXPECT_EQ(error(), dir_.string() + ": expected a model directory");
  dir_ = dir_.parent_path();
}

TEST_F(LoadTokenizer, MalformedVocabTxt) {
  put("vocab.txt", "");
  EXPECT_EQ(error(), path("vocab.txt") + ": expected one token a line, the file is empty");
  put("vocab.txt", "[PAD]\n[UNK]\nfine\n\xFF\n");
  EXPECT_EQ(error(), path("vocab.txt") + ":4: expected UTF-8, got an invalid byte");
  put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\nhello\n");
  EXPECT_THAT(error(), HasSubstr(path("vocab.txt") + ": expected the token [SEP] (sep_token)"));
}

TEST_F(LoadTokenizer, MalformedTokenizerJson) {
  const std::string where = path("tokenizer.json");
  const auto error_of = [&](std::string_view content) {
    put("tokenizer.json", content);
    return error();
  };
  EXPECT_THAT(error_of("{\"model\": "),
              HasSubstr(where + ": expected JSON, got something else at byte 11"));
  EXPECT_THAT(error_of("[]"), HasSubstr(where + ": the file: expected an object, got []"));
  EXPECT_THAT(error_of("{}"),
              HasSubstr(where + ": model: expected a WordPiece vocabulary, got none"));
  EXPECT_THAT(error_of(R"({"model": {"type": "WordLevel", "vocab": []}})"),
              HasSubstr("expected a tokenizer, found tokenizer.json of type WordLevel"));
  EXPECT_THAT(error_of(R"({"model": {"vocab": [["a", 0]]}})"),
              HasSubstr(where + ": vocab: expected an object"));
  EXPECT_THAT(error_of(R"({"model": {"vocab": {"a": -1}}})"),
              HasSubstr(where + ": model.vocab.a: expected an id of 0 or more, got -1"));
  EXPECT_THAT(error_of(R"({"model": {"vocab": {"a": 99999999999}}})"),
              HasSubstr("expected an id of 0 or more"));
  EXPECT_THAT(error_of(tokenizer_json(R"({"type": "NFC"})")),
              HasSubstr(where + ": normalizer.type: expected BertNormalizer, got NFC"));
  EXPECT_THAT(error_of(tokenizer_json(R"({"type": "BertNormalizer", "lowercase": 1})")),
              HasSubstr(where + ": lowercase: expected true or false, got 1"));
  EXPECT_THAT(error_of(tokenizer_json(kLowerNormalizer, R"([{"content": "x"}])")),
              HasSubstr("expected an id in each object"));
  EXPECT_THAT(error_of(tokenizer_json(kLowerNormalizer, R"([{"id": 3}])")),
              HasSubstr("expected a content in each object"));
  EXPECT_THAT(error_of(tokenizer_json(kLowerNormalizer, "7")),
              HasSubstr(where + ": added_tokens: expected a list, got 7"));
}

// Files made to harm: deep, long, repeated; each is refused before much memory is taken.
TEST_F(LoadTokenizer, BombsAreRefused) {
  const std::string where = path("tokenizer.json");
  put("tokenizer.json", "{\"model\": " + std::string(1'000'000, '['));
  EXPECT_EQ(error(), where + ": expected JSON of at most 64 levels, got more");
  put("tokenizer.json", R"({"model": {"vocab": {"a": 1, "a": 2}}})");
  EXPECT_EQ(error(), where + ": expected each key once, got 'a' twice");
  put("tokenizer.json", std::string("{}\0{}", 5));
  EXPECT_THAT(error(), HasSubstr(where + ": expected JSON, got a NUL byte"));
  std::string added = "[";
  for (int i = 0; i <= 10000; ++i)
    added += (i ? "," : "") + std::string(R"({"id": 0, "content": ")") + std::to_string(i) + "x\"}";
  put("tokenizer.json", tokenizer_json(kLowerNormalizer, added + "]"));
  EXPECT_THAT(error(), HasSubstr("expected at most 10000 added tokens, got more"));
  put("tokenizer.json", std::string((32 << 20) + 1, ' '));
  EXPECT_EQ(error(), where + ": expected a file of at most 33554432 bytes, got a longer one");
  std::filesystem::remove(where);
  put("vocab.txt", std::string((4 << 20) + 1, '\n'));
  EXPECT_EQ(error(), path("vocab.txt") + ": expected at most 4194304 tokens, got more");
}

// What a file says stands in a message, but never as lines of its own.
TEST_F(LoadTokenizer, MessagesStayOnOneLine) {
  put("vocab.txt", kLowerVocab);
  put("tokenizer_config.json", R"({"cls_token": "a\nlait-train: all is well"})");
  EXPECT_THAT(error(), HasSubstr(R"(expected the token a\nlait-train: all is well (cls_token))"));
  put("tokenizer.json", R"({"model": {"type": "Uni\ngram", "vocab": {"a": 0}}})");
  EXPECT_THAT(error(), HasSubstr(R"(found tokenizer.json of type Uni\ngram;)"));
}

TEST_F(LoadTokenizer, MalformedConfig) {
  put("vocab.txt", kLowerVocab);
  put("tokenizer_config.json", R"({"do_lower_case": "yes"})");
  EXPECT_EQ(error(),
            path("tokenizer_config.json") + ": do_lower_case: expected true or false, got \"yes\"");
  put("tokenizer_config.json", R"({"cls_token": 3})");
  EXPECT_EQ(error(), path("tokenizer_config.json") + ": cls_token: expected a token, got 3");
  put("tokenizer_config.json", R"({"cls_token": "<cls>"})");
  EXPECT_THAT(error(), HasSubstr("expected the token <cls> (cls_token)"));
  put("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "y"}}})");
  EXPECT_THAT(error(), HasSubstr("added_tokens_decoder: expected ids as keys, got \"x\""));
}

}  // namespace
}  // namespace lait
