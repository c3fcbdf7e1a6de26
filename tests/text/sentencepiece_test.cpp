// The tokenizer of T5 on a small model: ids, ranges, decoded texts, loading, and the errors of
// malformed and unsupported files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/text/sentencepiece_files.h"

namespace lait {
namespace {

namespace files = sentencepiece_files;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class LoadSentencePiece : public testing::Test {
 protected:
  LoadSentencePiece() { folder_.write("spiece.model", files::spiece_model()); }

  void put_config(const char* text) { folder_.write("tokenizer_config.json", text); }
  std::shared_ptr<const Tokenizer> load() { return load_tokenizer(folder_.path()); }
  std::vector<int32_t> encode(std::string_view text) {
    std::vector<int32_t> ids;
    load()->encode(text, ids);
    return ids;
  }
  std::vector<ByteRange> ranges(std::string_view text) {
    std::vector<int32_t> ids;
    std::vector<ByteRange> ranges;
    load()->encode(text, ids, ranges);
    EXPECT_EQ(ids, encode(text));
    return ranges;
  }
  std::string error() {
    return error_of([&] { load(); });
  }
  std::string error_of_model(const std::string& model) {
    folder_.write("spiece.model", model);
    return error();
  }

  TemporaryFolder folder_;
};

// Ids: ▁ 3, ▁hello 4, ▁world 5, he 6, l 7, o 8, w 9, . 10, 1 11, ▁a 12, a 13; sentinels 14 to 113.
TEST_F(LoadSentencePiece, SpecialTokensAndSize) {
  const auto tokenizer = load();
  const SpecialTokens special_tokens = tokenizer->special_tokens();
  EXPECT_EQ(special_tokens.cls, kNoToken);
  EXPECT_EQ(special_tokens.sep, 1);
  EXPECT_EQ(special_tokens.pad, 0);
  EXPECT_EQ(special_tokens.unk, 2);
  EXPECT_EQ(special_tokens.mask, kNoToken);
  EXPECT_EQ(tokenizer->vocab_size(), 114);
}

TEST_F(LoadSentencePiece, LegacyPutsASpaceBeforeEachText) {
  EXPECT_THAT(encode("hello<extra_id_0>."), ElementsAre(4, 113, 3, 10)) << "no file says legacy";
  put_config(R"({"legacy": false})");
  EXPECT_THAT(encode("hello<extra_id_0>."), ElementsAre(4, 113, 10));
  EXPECT_THAT(encode("<extra_id_0>. hello"), ElementsAre(113, 10, 4));
  put_config(R"({"legacy": false, "add_prefix_space": false})");
  EXPECT_THAT(encode("hello"), ElementsAre(6, 7, 7, 8));
}

TEST_F(LoadSentencePiece, RangesAreThoseOfTheFastTokenizer) {
  put_config(R"({"legacy": false})");
  EXPECT_THAT(ranges("hello  world."),
              ElementsAre(ByteRange{0, 5}, ByteRange{6, 12}, ByteRange{12, 13}));
  EXPECT_THAT(ranges("  hello"), ElementsAre(ByteRange{1, 7}));
  EXPECT_THAT(ranges("."), ElementsAre(ByteRange{0, 1}, ByteRange{0, 1})) << "the space before it";
  EXPECT_THAT(ranges("\xE2\x91\xA0."),
              ElementsAre(ByteRange{0, 3}, ByteRange{0, 3}, ByteRange{3, 4}));
  EXPECT_THAT(ranges("a\t <extra_id_3>  hello"),
              ElementsAre(ByteRange{0, 1}, ByteRange{3, 15}, ByteRange{17, 19}, ByteRange{19, 20},
                          ByteRange{20, 21}, ByteRange{21, 22}))
      << "a sentinel takes the white space around it, but does not have it";
  EXPECT_THAT(ranges("\xFF\xFFhello"), testing::SizeIs(6));
  EXPECT_EQ(ranges("\xFFhello").back(), (ByteRange{5, 6}));
  EXPECT_THAT(ranges("▁hello"), ElementsAre(ByteRange{0, 8})) << "a blank in the text";
}

TEST_F(LoadSentencePiece, TakesAnyBytes) {
  for (const bool legacy : {false, true}) {
    put_config(legacy ? R"({"legacy": true})" : R"({"legacy": false})");
    EXPECT_THAT(encode(""), ElementsAre());
    EXPECT_THAT(encode(" \t "), ElementsAre());
    EXPECT_THAT(encode("\xFF"), ElementsAre(3, 2));
    EXPECT_THAT(encode(std::string_view("a\0a", 3)), ElementsAre(12, 2, 13));
    EXPECT_EQ(encode(std::string(100'000, 'l')).size(), 100'001u);
  }
}

TEST_F(LoadSentencePiece, DecodesWhatItEncodes) {
  put_config(R"({"legacy": false})");
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->decode({4, 5, 10, 1}, false), "hello world.</s>");
  EXPECT_EQ(tokenizer->decode({0, 4, 5, 10, 1, 0}, true), "hello world.");
  EXPECT_EQ(tokenizer->decode({113, 12, 112}, false), "<extra_id_0> a <extra_id_1>");
  EXPECT_EQ(tokenizer->decode({113, 12, 112}, true), "a");
  EXPECT_EQ(tokenizer->decode({4, 114, -1, 5}, false), "hello world") << "ids without tokens";
  EXPECT_EQ(tokenizer->decode({}, false), "");
}

TEST_F(LoadSentencePiece, ManyThreadsMayEncode) {
  const auto tokenizer = load();
  std::vector<std::thread> threads;
  std::vector<std::vector<int32_t>> ids(4);
  for (auto& of_thread : ids) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) tokenizer->encode("hello <extra_id_1> world", of_thread);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_thread : ids) EXPECT_EQ(of_thread, ids[0]);
  EXPECT_EQ(ids[0].size(), 600u);
}

// Another family's model would put tokens elsewhere.
TEST_F(LoadSentencePiece, TheModelMustPutEosBehindTexts) {
  const auto tokenizer = load();
  EXPECT_NO_THROW(tokenizer->check_layout({.suffix = {1}}));
  EXPECT_THAT(error_of([&] { tokenizer->check_layout({.prefix = {kNoToken}, .suffix = {1}}); }),
              HasSubstr("spiece.model: expected (a token that is not there) A </s>, as the model "
                        "is given its texts, got A "
                        "</s>; use the tokenizer files of the model"));
}

TEST_F(LoadSentencePiece, SaveGivesTheSameTokenizer) {
  const TemporaryFolder copy;
  load()->save(copy.path());
  EXPECT_EQ(read_file(copy.path() / "spiece.model"), files::spiece_model());
  const auto config = nlohmann::json::parse(read_file(copy.path() / "tokenizer_config.json"));
  EXPECT_EQ(config["tokenizer_class"], "T5Tokenizer");
  EXPECT_EQ(config["legacy"], true);
  EXPECT_EQ(load_tokenizer(copy.path())->vocab_size(), 114);
}

TEST_F(LoadSentencePiece, RefusesOtherFiles) {
  put_config(R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_THAT(error(), HasSubstr("tokenizer_class: expected T5Tokenizer, MT5Tokenizer, or"));
  put_config(R"({"sp_model_kwargs": {"enable_sampling": true}})");
  EXPECT_THAT(error(), HasSubstr("tokenizer_config.json: sp_model_kwargs: expected none"));
  put_config(R"({"extra_ids": 7, "additional_special_tokens": ["<extra_id_0>"]})");
  EXPECT_THAT(error(), HasSubstr("extra_ids: expected the number of <extra_id_...> among the "
                                 "additional_special_tokens, 1, got 7; make them equal"));
  put_config(R"({"added_tokens_decoder": {"3": {"content": "x", "single_word": true}}})");
  EXPECT_THAT(error(), HasSubstr("added_tokens_decoder.3.single_word: expected false, got true"));
  put_config(R"({"eos_token": "<end>"})");
  EXPECT_THAT(error(), HasSubstr("spiece.model: expected the token <end> (eos_token), but it is "
                                 "not in the vocabulary"));
}

TEST(SentencePieceFiles, TokenizerJsonAloneIsRefused) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"model": {"type": "Unigram", "vocab": []}})");
  EXPECT_THAT(error_of([&] { load_tokenizer(folder.path()); }),
              HasSubstr("spiece.model: expected SentencePiece's model beside tokenizer.json, got "
                        "none; copy it from the checkpoint"));
}

TEST_F(LoadSentencePiece, RefusesDamagedModels) {
  const std::string model = files::spiece_model();
  const auto is_damaged = HasSubstr(
      "spiece.model: expected a SentencePiece model, got a file that is none or is damaged; use "
      "the file that came with the model");
  EXPECT_THAT(error_of_model("no protobuf"), is_damaged);
  EXPECT_THAT(error_of_model(model.substr(0, model.size() - 1)), is_damaged);
  EXPECT_THAT(error_of_model(""), HasSubstr("spiece.model: expected 1 to 4194304 pieces, got 0"));
  EXPECT_THAT(error_of_model(model + files::piece("", 0)),
              HasSubstr("piece 14: expected 1 to 1000 bytes of UTF-8 without NUL, got ''"));
  EXPECT_THAT(error_of_model(model + files::piece(std::string(1001, 'x'), 0)),
              HasSubstr("piece 14: expected 1 to 1000 bytes"));
  EXPECT_THAT(error_of_model(model + files::piece("\xFF", 0)), HasSubstr("piece 14"));
  EXPECT_THAT(error_of_model(model + files::piece(std::string("x\0", 2), 0)),
              HasSubstr("piece 14"));
  EXPECT_THAT(error_of_model(model + files::piece("x", NAN)),
              HasSubstr("piece 14: expected a finite score, got none"));
  EXPECT_THAT(error_of_model(model + files::piece("a", 0)),
              AllOf(HasSubstr("got one that its library refuses ("), HasSubstr("already defined")));
  EXPECT_THAT(error_of_model(model + files::bytes_field(2, files::varint_field(3, 2))),
              HasSubstr("trainer_spec.model_type: expected UNIGRAM, T5's, got BPE"));
}

// What the library would read outside of, or go round in, or make long texts with.
TEST_F(LoadSentencePiece, RefusesDamagedNormalizers) {
  const auto error_with = [&](const std::string& map) {
    return error_of_model(files::spiece_model(map));
  };
  const auto is_damaged = HasSubstr(
      "spiece.model: expected a normaliser's table (precompiled_charsmap), got a damaged one");
  const auto with_unit = [](size_t at, uint32_t unit) {
    std::vector<uint32_t> units = files::trie();
    units[at] = unit;
    return files::charsmap(units);
  };
  EXPECT_EQ(error_with(""), "") << "none";
  EXPECT_EQ(error_with(files::charsmap()), "");
  EXPECT_THAT(error_with("abc"), is_damaged);
  EXPECT_THAT(error_with(files::charsmap().substr(0, 8199)), is_damaged);
  EXPECT_THAT(error_with(with_unit(0, 0x800 << 10)), is_damaged) << "children outside";
  EXPECT_THAT(error_with(with_unit(0x400, 0x80000004)), is_damaged) << "a text outside";
  // The node of E2 has its own block as children, so "E2 E2 E2 ..." never ends.
  EXPECT_THAT(error_with(with_unit(0x1E2, 0xE2 | (0x1E2 ^ 0x100) << 10)), is_damaged) << "a circle";
  EXPECT_THAT(error_with(files::charsmap(files::trie(), "1\xFF")), is_damaged) << "no end";
  EXPECT_THAT(error_with(files::charsmap(files::trie(), std::string("\xFF\0 \0", 4))), is_damaged);
  EXPECT_THAT(error_with(files::charsmap(files::trie(), std::string(300, 'x') + '\0')), is_damaged);
}

}  // namespace
}  // namespace lait
