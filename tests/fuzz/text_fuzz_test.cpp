// Fuzz targets of lait/text: the tokenizer's files, and text to tokenize.
#include "lait/base/files.h"
#include "lait/text/tokenizer.h"
#include "tests/base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/text/byte_bpe_files.h"
#include "tests/text/sentencepiece_files.h"

namespace lait {
namespace {

const char* const kVocab =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n##s\ncaf\xC3\xA9\n\xE4\xB8\xAD\n.\n";
const char* const kTokenizer =
    R"({"version": "1.0", "truncation": {"max_length": 4}, "added_tokens": [)"
    R"({"id": 0, "content": "[PAD]", "special": true}, )"
    R"({"id": 7, "content": "<E>", "single_word": true, "normalized": true}],)"
    R"( "normalizer": {"type": "BertNormalizer", "clean_text": true, )"
    R"("handle_chinese_chars": true, "strip_accents": null, "lowercase": true},)"
    R"( "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": {)"
    R"("type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, )"
    R"({"Sequence": {"id": "A", "type_id": 0}}], "pair": [], )"
    R"("special_tokens": {"[CLS]": {"ids": [2]}}}, "model": {"type": "WordPiece", )"
    R"("unk_token": "[UNK]", "continuing_subword_prefix": "##",)"
    R"( "max_input_chars_per_word": 100, "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, )"
    R"("[SEP]": 3, "[MASK]": 4, "hello": 5, "##s": 6}}})";
const char* const kConfig =
    R"({"do_lower_case": true, "strip_accents": null, "tokenize_chinese_chars": true, )"
    R"("cls_token": "[CLS]", "sep_token": {"content": "[SEP]"}, )"
    R"("added_tokens_decoder": {"10": {"content": "<F>", "special": true}}})";
const char* const kText =
    "Hello hellos, caf\xC3\xA9 \xE4\xB8\xAD\xE4\xB8\xAD [SEP] <E>x e\xCC\x81\xCC\xA3 "
    "\xF0\x9F\x98\x80.  <mask> it's\n\n 12 </s>";

void encode_and_check(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> ids, ids_with_ranges;
  std::vector<ByteRange> ranges;
  tokenizer.encode(text, ids);
  tokenizer.encode(text, ids_with_ranges, ranges);
  if (ids != ids_with_ranges || ids.size() != ranges.size())
    throw std::logic_error("encode with ranges gives other ids");
  for (const int32_t id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size())
      throw std::logic_error("the id " + std::to_string(id) + " is out of the vocabulary");
  }
  for (const ByteRange& range : ranges) {
    if (range.begin < 0 || range.begin > range.end || range.end > static_cast<int32_t>(text.size()))
      throw std::logic_error("a range out of the text");
  }
}

// Mutates one file of a tokenizer; the other files are valid.
void fuzz_file(const std::string& name, const std::string& content,
               const std::vector<std::pair<std::string, std::string>>& others,
               const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  for (const auto& [other, text] : others) folder.write(other, text);
  fuzz(Mutator({content}, words), [&](const std::string& bytes) {
    folder.write(name, bytes);
    encode_and_check(*load_tokenizer(folder.path()), kText);
  });
}

TEST(Fuzz, VocabTxt) { fuzz_file("vocab.txt", kVocab, {}, {"[CLS]\n", "##", "\n\n"}); }

TEST(Fuzz, TokenizerJson) {
  fuzz_file("tokenizer.json", kTokenizer, {},
            {"\"vocab\": ", "\"added_tokens\": ", "\"id\": ", "\"content\": ", "\"type\": ", "\"\"",
             "{}", "[]", "##"});
}

TEST(Fuzz, TokenizerConfig) {
  fuzz_file(
      "tokenizer_config.json", kConfig, {{"vocab.txt", kVocab}},
      {"\"cls_token\": ", "\"content\": ", "\"added_tokens_decoder\": ", "\"9\": ", "{}", "[]"});
}

TEST(Fuzz, TextToTokenize) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", kTokenizer);
  const auto tokenizer = load_tokenizer(folder.path());
  fuzz(
      Mutator({kText, "plain words only"}, {"[CLS]", "<E>", "\xCC\x81", "\xEA\xB0\x80",
                                            "\xF0\x9F\x98\x80", "##s", "\xC2\xA0", "\xE2\x80\x8B"}),
      [&](const std::string& text) { encode_and_check(*tokenizer, text); },
      {.takes_everything = true});
}

TEST(Fuzz, ByteBpeVocabJson) {
  fuzz_file("vocab.json", byte_bpe_files::vocab_json(),
            {{"merges.txt", byte_bpe_files::merges_txt()}},
            {"\"hello\": 5,", "{}", "\"\\u0120\": ", "2147483646"});
}

TEST(Fuzz, ByteBpeMergesTxt) {
  fuzz_file("merges.txt", byte_bpe_files::merges_txt(),
            {{"vocab.json", byte_bpe_files::vocab_json()}},
            {"h e\n", "hell o\n", "#version", "\xC4\xA0 hello\n", "\n\n"});
}

TEST(Fuzz, ByteBpeTokenizerJson) {
  fuzz_file("tokenizer.json", byte_bpe_files::tokenizer_json().dump(), {},
            {"\"merges\":", "\"vocab\":", "\"added_tokens\":", "\"lstrip\":", "\"normalized\":",
             "\"post_processor\":", "\"type\":", "{}", "[]", "\"h e\""});
}

TEST(Fuzz, TextForByteBpe) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", byte_bpe_files::tokenizer_json().dump());
  const auto tokenizer = load_tokenizer(folder.path());
  fuzz(Mutator({kText, "hello hello"},
               {"<mask>", "</s>", "  ", "\xE2\x80\xA8", "'ll", "\xF0\x9F\x98\x80", "hello",
                "\xE3\x80\x80", "\xC2\xA0", "\n"}),
       [&](const std::string& text) { encode_and_check(*tokenizer, text); },
       {.takes_everything = true});
}

TEST(Fuzz, SpieceModel) {
  namespace files = sentencepiece_files;
  fuzz_file("spiece.model", files::spiece_model(), {},
            {files::piece("x", -1), files::trainer(), files::bytes_field(3, "\x18\x01"),
             files::charsmap(), files::bytes_field(4, "\x0A\x02hi")});
}

// Only the normaliser's table is damaged: the library reads it without checks.
TEST(Fuzz, SpieceModelCharsmap) {
  const TemporaryFolder folder;
  fuzz(Mutator({sentencepiece_files::charsmap()}, {std::string("\xE2\x01\x00\x00", 4)}),
       [&](const std::string& map) {
         folder.write("spiece.model", sentencepiece_files::spiece_model(map));
         encode_and_check(*load_tokenizer(folder.path()),
                          "hello \xE2\x91\xA0\t" + map.substr(0, 500));
       });
}

TEST(Fuzz, T5Config) {
  fuzz_file("tokenizer_config.json",
            R"({"tokenizer_class": "T5Tokenizer", "legacy": false, "extra_ids": 3, )"
            R"("eos_token": {"content": "</s>", "lstrip": true}, "additional_special_tokens": )"
            R"(["<extra_id_0>", "<extra_id_1>", "<extra_id_2>", "<E>"], "added_tokens_decoder": )"
            R"({"14": {"content": "<F>", "rstrip": true}}})",
            {{"spiece.model", sentencepiece_files::spiece_model()}},
            {"\"extra_ids\": ", "\"legacy\": ", "\"15\": ", "{}", "[]", "\"<extra_id_3>\""});
}

TEST(Fuzz, TextForSentencePiece) {
  const TemporaryFolder folder;
  folder.write("spiece.model", sentencepiece_files::spiece_model());
  folder.write("tokenizer_config.json", R"({"legacy": false})");
  const auto tokenizer = load_tokenizer(folder.path());
  fuzz(Mutator({kText, "hello world"}, {"<extra_id_0>", "</s>", "  ", "\xE2\x96\x81", "<unk>",
                                        "\xF0\x9F\x98\x80", "hello", "\xE2\x91\xA0", "\t", "\n"}),
       [&](const std::string& text) { encode_and_check(*tokenizer, text); },
       {.takes_everything = true});
}

}  // namespace
}  // namespace lait
