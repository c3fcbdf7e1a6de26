// Every file and field of a tokenizer's directory is honoured as transformers honours it, or
// refused: the cases of tests/oracles/tokenizer_cases.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lait/text/segment_layout.h"
#include "lait/text/tokenizer.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/oracles/python.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// The folder with the cases, written again where it is stale. Test processes take turns.
fs::path cases_folder() {
  const oracle::OutputFolder folder("tokenizer_cases");
  const fs::path done = folder.path / "texts.json",
                 script = oracle::kScripts / "tokenizer_cases.py";
  if (!fs::exists(done) || fs::last_write_time(done) < fs::last_write_time(script))
    oracle::run("tokenizer_cases.py", oracle::in_quotes(folder.path), folder.path / "log.txt");
  return folder.path;
}

// How the families BERT and RoBERTa dress texts.
SegmentLayout layout_of(const std::string& name, const SpecialTokens& tokens) {
  if (name.starts_with("bpe"))
    return {.prefix = {tokens.cls},
            .between = {tokens.sep, tokens.sep},
            .between_of_first = 1,
            .suffix = {tokens.sep}};
  return {.prefix = {tokens.cls},
          .between = {tokens.sep},
          .between_of_first = 1,
          .suffix = {tokens.sep},
          .second_type = 1};
}

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids;
  tokenizer.encode(text, ids);
  return ids;
}

// Loads as programs do: the tokenizer, then whether it fits the model.
std::shared_ptr<const Tokenizer> load(const std::string& name) {
  const auto tokenizer = load_tokenizer(cases_folder() / "cases" / name);
  tokenizer->check_layout(layout_of(name, tokenizer->special_tokens()));
  return tokenizer;
}

json read(const fs::path& path) { return json::parse(read_file(path)); }

class HonouredFiles : public testing::TestWithParam<const char*> {};

TEST_P(HonouredFiles, GiveTheIdsOfTransformers) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const fs::path folder = cases_folder();
  const json expected = read(folder / "cases" / GetParam() / "expected.json"),
             texts = read(folder / "texts.json");
  ASSERT_TRUE(expected.contains("ids")) << expected;
  const auto tokenizer = load(GetParam());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(encode(*tokenizer, texts[i].get<std::string>()),
              expected["ids"][i].get<std::vector<int32_t>>())
        << texts[i];
  }
  const SegmentLayout layout = layout_of(GetParam(), tokenizer->special_tokens());
  std::vector<int32_t> pair = layout.prefix;
  const auto append = [&](const std::vector<int32_t>& ids) {
    pair.insert(pair.end(), ids.begin(), ids.end());
  };
  append(encode(*tokenizer, "hello"));
  append(layout.between);
  append(encode(*tokenizer, "hello"));
  append(layout.suffix);
  EXPECT_EQ(pair, expected["pair"].get<std::vector<int32_t>>());
  if (layout.second_type == layout.first_type) return;
  const size_t of_first = layout.prefix.size() + 1 + layout.between.size();
  std::vector<int32_t> types(pair.size(), layout.second_type);
  std::fill_n(types.begin(), of_first, layout.first_type);
  EXPECT_EQ(json(types), expected["types"]);
}

constexpr const char* kHonoured[] = {"txt",
                                     "txt_added",
                                     "txt_added_special",
                                     "txt_added_extra",
                                     "txt_added_map",
                                     "txt_added_map_extra",
                                     "txt_added_named",
                                     "txt_added_of_vocabulary",
                                     "txt_extra_without_id",
                                     "txt_model_token",
                                     "txt_extra_named",
                                     "txt_decoder",
                                     "txt_decoder_and_added",
                                     "txt_decoder_and_map",
                                     "txt_map_over_config",
                                     "txt_no_mask",
                                     "txt_cased",
                                     "txt_strip_accents",
                                     "txt_chinese",
                                     "txt_right",
                                     "txt_add_bos",
                                     "txt_add_bos_false",
                                     "txt_fast_class",
                                     "txt_electra_class",
                                     "txt_distilbert_types",
                                     "json",
                                     "json_and_txt",
                                     "json_longer_txt_added",
                                     "json_cased_config",
                                     "json_generic",
                                     "json_generic_clean_text",
                                     "json_generic_prefix",
                                     "json_generic_max_chars",
                                     "json_truncation_right",
                                     "json_bert_processing",
                                     "json_sequence",
                                     "json_no_post_processor",
                                     "json_added",
                                     "json_generic_added",
                                     "json_added_and_file",
                                     "json_decoder",
                                     "json_decoder_more",
                                     "bpe",
                                     "bpe_added",
                                     "bpe_prefix_space",
                                     "bpe_mask_map",
                                     "bpe_add_bos",
                                     "bpe_bart_class",
                                     "bpe_longformer_class",
                                     "bpe_json",
                                     "bpe_json_add_bos",
                                     "bpe_json_prefix_space",
                                     "bpe_generic",
                                     "bpe_generic_ignore_merges",
                                     "bpe_irrelevant",
                                     "bpe_byte_level_processor"};

INSTANTIATE_TEST_SUITE_P(Cases, HonouredFiles, testing::ValuesIn(kHonoured),
                         [](const auto& info) { return std::string(info.param); });

struct Refused {
  const char* name;
  // The message: PATH of the file, the field and what was expected; and the way out.
  const char* problem;
  const char* way_out = "";
};

class RefusedFiles : public testing::TestWithParam<Refused> {};

TEST_P(RefusedFiles, SayWhichFieldAndWhatToDo) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const std::string dir = (cases_folder() / "cases" / GetParam().name).string() + "/";
  EXPECT_THAT(error_of([] { load(GetParam().name); }),
              AllOf(HasSubstr(dir + GetParam().problem),
                    HasSubstr(std::string("; ") + GetParam().way_out)));
}

constexpr Refused kRefused[] = {
    {"txt_added_gap", "added_tokens.json: <E>: expected the id 24 for <E>, the next one, got 27",
     "transformers numbers added tokens so"},
    {"txt_added_wrong_id",
     "added_tokens.json: x: expected the id 11 for x, as in the vocabulary, got 12"},
    {"txt_decoder_gap",
     "tokenizer_config.json: added_tokens_decoder.25: expected the id 24 for <E>, the next one"},
    {"txt_never_split", "tokenizer_config.json: never_split: expected an empty list"},
    {"txt_no_basic", "tokenizer_config.json: do_basic_tokenize: expected true, got false"},
    {"txt_split_special", "tokenizer_config.json: split_special_tokens: expected false, got true"},
    {"txt_left", "tokenizer_config.json: truncation_side: expected \"right\", got \"left\"",
     "LAIT cuts too long texts at their end"},
    {"txt_no_types", "tokenizer_config.json: model_input_names: expected token_type_ids", "add it"},
    {"txt_distilbert_class",
     "tokenizer_config.json: tokenizer_class: DistilBertTokenizer: expected a class that gives "
     "token_type_ids, as the model gets them for pairs, got one that gives none",
     "name the class of the model's family, or write \"model_input_names\": [\"input_ids\", "
     "\"token_type_ids\", \"attention_mask\"] into tokenizer_config.json"},
    {"txt_electra_no_types", "tokenizer_config.json: model_input_names: expected token_type_ids"},
    {"json_generic_no_types",
     "tokenizer_config.json: tokenizer_class: PreTrainedTokenizerFast: expected a class that gives "
     "token_type_ids"},
    {"txt_japanese_class",
     "tokenizer_config.json: tokenizer_class: expected BertTokenizer, DistilBertTokenizer, "
     "ElectraTokenizer, MPNetTokenizer, or PreTrainedTokenizerFast, got BertJapaneseTokenizer",
     "if one of these gives the same ids"},
    {"txt_class_of_config", "config.json: tokenizer_class: expected BertTokenizer"},
    {"txt_mpnet_class",
     "tokenizer_config.json: tokenizer_class: MPNetTokenizer: expected "
     "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1, as the model is given its texts, got "
     "[CLS]:0 A:0 [SEP]:0 [SEP]:0 B:0 [SEP]:0",
     "name the class of the model's family"},
    {"txt_auto_map", "tokenizer_config.json: auto_map: expected none"},
    {"txt_init_inputs", "tokenizer_config.json: init_inputs: expected an empty list"},
    {"json_other_txt",
     "vocab.txt:12: expected 'x', the token of that id in tokenizer.json, got 'y'",
     "transformers reads tokenizer.json alone: remove the file that is wrong"},
    {"json_longer_txt",
     "vocab.txt:25: expected the tokens of tokenizer.json alone, got one more: 'more'",
     "transformers reads tokenizer.json alone: remove the file that is wrong"},
    {"json_generic_lower",
     "tokenizer_config.json: do_lower_case: expected false as in tokenizer.json"},
    {"json_clean_text",
     "tokenizer.json: normalizer.clean_text: expected true, which transformers takes in its place, "
     "got false",
     R"(if the file is right, write "tokenizer_class": "PreTrainedTokenizerFast")"},
    {"json_prefix", "tokenizer.json: model.continuing_subword_prefix: expected \"##\""},
    {"json_max_chars", "tokenizer.json: model.max_input_chars_per_word: expected 100"},
    {"json_unk", "tokenizer.json: model.unk_token: expected \"[UNK]\", the unk_token, got \"x\""},
    {"json_unk_of_both", "tokenizer.json: model.unk_token: expected \"[UNK]\""},
    {"json_no_normalizer", "tokenizer.json: normalizer.type: expected BertNormalizer, got none"},
    {"json_no_pre_tokenizer",
     "tokenizer.json: pre_tokenizer.type: expected BertPreTokenizer, got none"},
    {"json_normalizer", "tokenizer.json: normalizer.type: expected BertNormalizer, got Lowercase"},
    {"json_truncation_left",
     "tokenizer.json: truncation.direction: expected \"Right\", got \"Left\""},
    {"json_generic_no_post_processor",
     "tokenizer.json: post_processor: expected [CLS]:0 A:0 [SEP]:0, as the model is given its "
     "texts, got A:0"},
    {"json_post_processor_of_roberta", "tokenizer.json: post_processor: expected [CLS]:0 A:0"},
    {"json_template_without_sep",
     "tokenizer.json: post_processor: expected [CLS]:0 A:0 [SEP]:0, as the model is given its "
     "texts, got [CLS]:0 A:0;",
     "use the tokenizer files of the model"},
    {"json_template_types",
     "tokenizer.json: post_processor: expected [CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1, as the model is "
     "given its texts, got [CLS]:0 A:0 [SEP]:0 B:0 [SEP]:0"},
    {"json_template_ignored", "tokenizer.json: post_processor: expected"},
    {"json_added_gap", "tokenizer.json: added_tokens: expected the id 24 for <E>"},
    {"json_added_other_id", "tokenizer.json: added_tokens: expected the id 11 for x"},
    {"json_decoder_less",
     "tokenizer.json: added_tokens: expected the tokens of tokenizer_config.json's "
     "added_tokens_decoder"},
    {"json_decoder_flags",
     "tokenizer.json: added_tokens: expected what tokenizer_config.json says of <E>"},
    {"bpe_added_gap", "added_tokens.json: <E>: expected the id 268 for <E>"},
    {"bpe_left", "tokenizer_config.json: truncation_side: expected \"right\""},
    {"bpe_gpt2_class", "tokenizer_config.json: tokenizer_class: expected RobertaTokenizer"},
    {"bpe_bertweet_class", "tokenizer_config.json: tokenizer_class: expected RobertaTokenizer"},
    {"bpe_json_other_files", "merges.txt: expected the merges of tokenizer.json"},
    {"bpe_json_other_vocab", "vocab.json: expected the tokens of tokenizer.json"},
    {"bpe_json_more_vocab", "vocab.json: expected the tokens of tokenizer.json"},
    {"bpe_generic_prefix_space",
     "tokenizer_config.json: add_prefix_space: expected true as in tokenizer.json"},
    {"bpe_ignore_merges", "tokenizer.json: model.ignore_merges: expected false"},
    {"bpe_dropout", "tokenizer.json: model.dropout: expected none"},
    {"bpe_normalizer", "tokenizer.json: normalizer: expected none"},
    {"bpe_generic_byte_level_processor",
     "tokenizer.json: post_processor: expected <s> A </s>, as the model is given its texts, got "
     "A;"},
    {"bpe_processor_of_bert",
     "tokenizer.json: post_processor: expected <s> A </s> </s> B </s>, as the model is given its "
     "texts, got <s> A </s> B </s>"},
};

INSTANTIATE_TEST_SUITE_P(Cases, RefusedFiles, testing::ValuesIn(kRefused),
                         [](const auto& info) { return std::string(info.param.name); });

// What only tokenizer.json says, and transformers' classes do not read there, is honoured; the
// saved copy says it in tokenizer_config.json, where they do.
struct Kept {
  const char* name;
  const char* text;
  std::vector<int32_t> ids;
  const char* key;
};

class KeptFiles : public testing::TestWithParam<Kept> {};

TEST_P(KeptFiles, AreSavedSoThatTransformersReadsTheSame) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const auto tokenizer = load(GetParam().name);
  EXPECT_EQ(encode(*tokenizer, GetParam().text), GetParam().ids);
  const TemporaryFolder folder;
  tokenizer->save(folder.path());
  const json config = read(folder.path() / "tokenizer_config.json"),
             wanted = json::parse(GetParam().key);
  for (const auto& [key, value] : wanted.items()) EXPECT_EQ(config[key], value) << key;
  EXPECT_EQ(encode(*load_tokenizer(folder.path()), GetParam().text), GetParam().ids);
}

const Kept kKept[] = {
    {"json_cased", "hello Hello HELLO", {5, 10, 1}, R"({"do_lower_case": false})"},
    {"bpe_json_own_prefix_space", "hello", {265}, R"({"add_prefix_space": true})"}};

INSTANTIATE_TEST_SUITE_P(Cases, KeptFiles, testing::ValuesIn(kKept),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TransformersFiles, EachCaseIsInOneList) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const auto entries = fs::directory_iterator(cases_folder() / "cases");
  EXPECT_EQ(static_cast<size_t>(std::distance(begin(entries), end(entries))),
            std::size(kHonoured) + std::size(kRefused) + std::size(kKept));
}

}  // namespace
}  // namespace lait
