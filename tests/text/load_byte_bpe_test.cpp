// Loading byte-level BPE tokenizers: which file says what, and the errors of malformed and
// unsupported files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/text/byte_bpe_files.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

class LoadByteBpe : public testing::Test {
 protected:
  void put_older_files() {
    folder_.write("vocab.json", byte_bpe_files::vocab_json());
    folder_.write("merges.txt", byte_bpe_files::merges_txt());
  }
  std::vector<int32_t> encode(std::string_view text) {
    std::vector<int32_t> ids;
    load_tokenizer(folder_.path())->encode(text, ids);
    return ids;
  }
  std::vector<ByteRange> ranges(std::string_view text) {
    std::vector<int32_t> ids;
    std::vector<ByteRange> ranges;
    load_tokenizer(folder_.path())->encode(text, ids, ranges);
    return ranges;
  }
  std::string error() {
    return error_of([&] { load_tokenizer(folder_.path()); });
  }
  std::string path(const char* name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
};

TEST_F(LoadByteBpe, VocabJsonAndMergesTxt) {
  put_older_files();
  const auto tokenizer = load_tokenizer(folder_.path());
  const SpecialTokens special_tokens = tokenizer->special_tokens();
  EXPECT_EQ(special_tokens.cls, 256);
  EXPECT_EQ(special_tokens.pad, 257);
  EXPECT_EQ(special_tokens.sep, 258);
  EXPECT_EQ(special_tokens.unk, 259);
  EXPECT_EQ(special_tokens.mask, 260);
  EXPECT_EQ(tokenizer->vocab_size(), 266);
  EXPECT_THAT(encode("hello hello<mask>"), ElementsAre(264, 265, 260));
  EXPECT_EQ(ranges("hello hello").back(), (ByteRange{6, 11})) << "trimmed";
}

TEST_F(LoadByteBpe, TokenizerJson) {
  folder_.write("tokenizer.json", byte_bpe_files::tokenizer_json().dump());
  EXPECT_THAT(encode("hello hello  <mask></s>"), ElementsAre(264, 265, 260, 258))
      << "truncation is ignored, <mask> takes the space before it";
  EXPECT_EQ(ranges(" hello").back(), (ByteRange{1, 6}));
  Json json = byte_bpe_files::tokenizer_json();
  json["post_processor"] = {{"type", "TemplateProcessing"}};
  folder_.write("tokenizer.json", json.dump());
  EXPECT_EQ(ranges(" hello").back(), (ByteRange{0, 6}));
  json["model"].erase("type");
  json["model"]["merges"] = {"h e", "l l"};
  folder_.write("tokenizer.json", json.dump());
  EXPECT_THAT(encode("hello"), ElementsAre(261, 262, 'o')) << "merges as older files write them";
}

TEST_F(LoadByteBpe, ConfigDecides) {
  folder_.write("tokenizer.json", byte_bpe_files::tokenizer_json().dump());
  folder_.write("tokenizer_config.json",
                R"({"add_prefix_space": true, "trim_offsets": false, "cls_token": "hello"})");
  EXPECT_THAT(encode("hello"), ElementsAre(264)) << "a special token, before the space is put";
  EXPECT_THAT(encode("hell"), ElementsAre(' ', 263));
  EXPECT_EQ(ranges("a  <mask>").back(), (ByteRange{1, 9}));
  EXPECT_EQ(load_tokenizer(folder_.path())->special_tokens().cls, 264);
}

// <s> and </s> may be added tokens alone: the class dresses texts with them all the same, in a
// saved copy too.
TEST_F(LoadByteBpe, TheClassDressesTextsWithAddedTokens) {
  Json json = byte_bpe_files::tokenizer_json();
  Json& vocabulary = json["model"]["vocab"];
  for (const char* token : {"<s>", "</s>", "<mask>"}) vocabulary.erase(token);
  int id = 0;
  for (auto& [token, of_token] : vocabulary.items()) of_token = id++;
  json["added_tokens"] = Json::array();
  for (const char* token : {"<s>", "</s>"})
    json["added_tokens"].push_back({{"id", id++}, {"content", token}, {"special", true}});
  json["post_processor"]["cls"][1] = id - 2;
  json["post_processor"]["sep"][1] = id - 1;
  folder_.write("tokenizer.json", json.dump());
  folder_.write("tokenizer_config.json",
                R"({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true})");
  load_tokenizer(folder_.path())->save(folder_.path() / "copy");
  for (const auto& dir : {folder_.path(), folder_.path() / "copy"}) {
    const auto tokenizer = load_tokenizer(dir);
    const auto [cls, sep, pad, unk, mask] = tokenizer->special_tokens();
    EXPECT_EQ(cls, id - 2);
    EXPECT_EQ(sep, id - 1);
    SegmentLayout layout{
        .prefix = {cls}, .between = {sep, sep}, .between_of_first = 1, .suffix = {sep}};
    EXPECT_NO_THROW(tokenizer->check_layout(layout));
    layout.between.pop_back();
    EXPECT_THROW(tokenizer->check_layout(layout), UserError);
  }
}

TEST_F(LoadByteBpe, SaveGivesTheSameTokenizer) {
  put_older_files();
  folder_.write("tokenizer_config.json", R"({"add_prefix_space": true})");
  load_tokenizer(folder_.path())->save(folder_.path() / "copy");
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    EXPECT_EQ(read_file(folder_.path() / "copy" / name), read_file(folder_.path() / name));
  std::vector<int32_t> ids;
  load_tokenizer(folder_.path() / "copy")->encode("hello", ids);
  EXPECT_THAT(ids, ElementsAre(265));
}

TEST_F(LoadByteBpe, MissingFiles) {
  folder_.write("vocab.json", byte_bpe_files::vocab_json());
  EXPECT_THAT(error(), HasSubstr("expected a tokenizer, found none of its files"));
  EXPECT_THAT(
      error(),
      HasSubstr("byte-level BPE (tokenizer.json of type BPE, or vocab.json and merges.txt)"));
}

TEST_F(LoadByteBpe, MalformedMergesTxt) {
  folder_.write("vocab.json", byte_bpe_files::vocab_json());
  const auto error_of = [&](const std::string& merges) {
    folder_.write("merges.txt", merges);
    return error();
  };
  const std::string where = path("merges.txt");
  EXPECT_EQ(error_of("#version: 0.2\r\nh e\r\n"), "");
  EXPECT_EQ(error_of(""), "");
  EXPECT_EQ(error_of("h e\n\nl l\n"),
            where + ":2: expected two tokens with a space between them, got ''");
  EXPECT_EQ(error_of("h e l\n"),
            where + ":1: expected two tokens with a space between them, got 'h e l'");
  EXPECT_EQ(error_of("h e\nq \x01\n"),
            where + R"(:2: expected tokens of the vocabulary, got '\u0001')");
  EXPECT_EQ(error_of("q q\n"), where + ":1: expected tokens of the vocabulary, got 'qq'");
  EXPECT_EQ(error_of("h\xFF e\n"), where + ":1: expected tokens of the vocabulary, got 'h\uFFFD'");
}

TEST_F(LoadByteBpe, MalformedVocabJson) {
  folder_.write("merges.txt", byte_bpe_files::merges_txt());
  const auto error_of = [&](const std::string& vocab) {
    folder_.write("vocab.json", vocab);
    return error();
  };
  const std::string where = path("vocab.json");
  EXPECT_EQ(error_of("[]"), where + ": the file: expected an object, got []");
  EXPECT_EQ(error_of(R"({"a": -1})"), where + ": the file.a: expected an id of 0 or more, got -1");
  Json ids = byte_bpe_files::vocabulary();
  ids.erase("</s>");
  EXPECT_THAT(error_of(ids.dump()), HasSubstr(where + ": expected the token </s> (sep_token)"));
  ids.erase("!");
  EXPECT_THAT(
      error_of(ids.dump()),
      HasSubstr(where + ": expected a token for each byte, got none for the byte 33 ('!')"));
}

// What would change ids and is not supported is refused.
TEST_F(LoadByteBpe, UnsupportedTokenizerJson) {
  const std::string where = path("tokenizer.json");
  const auto error_with = [&](const char* pointer, const Json& value) {
    Json json = byte_bpe_files::tokenizer_json();
    json[Json::json_pointer(pointer)] = value;
    folder_.write("tokenizer.json", json.dump());
    return error();
  };
  EXPECT_EQ(error_with("/model/dropout", 0.1),
            where + ": model.dropout: expected none, got 0.1; it makes ids random; set it to null");
  EXPECT_EQ(error_with("/model/end_of_word_suffix", "</w>"),
            where + ": model.end_of_word_suffix: expected none, got \"</w>\"");
  EXPECT_EQ(error_with("/model/continuing_subword_prefix", "##"),
            where + ": model.continuing_subword_prefix: expected none, got \"##\"");
  EXPECT_THAT(error_with("/normalizer", {{"type", "NFC"}}),
              HasSubstr(where + ": normalizer: expected none, got {\"type\":\"NFC\"}"));
  EXPECT_THAT(error_with("/pre_tokenizer", nullptr),
              HasSubstr(where + ": pre_tokenizer.type: expected ByteLevel, got none"));
  EXPECT_THAT(error_with("/pre_tokenizer/type", "Whitespace"),
              HasSubstr(where + ": pre_tokenizer.type: expected ByteLevel, got Whitespace"));
  EXPECT_EQ(error_with("/pre_tokenizer/use_regex", false),
            where + ": pre_tokenizer.use_regex: expected true, got false");
  EXPECT_EQ(error_with("/model/merges", Json::array({"h"})),
            where + ": model.merges: expected two tokens with a space between them, got 'h'");
  EXPECT_EQ(error_with("/model/merges", Json::array({Json::array({"h", 1})})),
            where + ": model.merges: expected a list of pairs of tokens, got [\"h\",1]");
}

}  // namespace
}  // namespace lait
