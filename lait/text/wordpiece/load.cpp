// Loading a WordPiece tokenizer from a Hugging Face model directory.
//
// The result equals what transformers makes of the same files. The vocabulary is tokenizer.json's,
// else vocab.txt's; lower case, accents, Chinese characters and the names of special tokens come
// from tokenizer_config.json, else from tokenizer.json. Where neither mentions lower case,
// transformers would lower-case; here a vocabulary with capital letters is cased, and save writes
// that down. The truncation and padding of tokenizer.json are ignored: lait/data limits lengths.
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "lait/base/error.h"
#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/tokenizers.h"
#include "lait/text/wordpiece/wordpiece.h"

namespace lait {
namespace {

using Json = nlohmann::json;

constexpr const char* kVocabTxt = "vocab.txt";

class WordPieceLoader {
 public:
  explicit WordPieceLoader(const std::filesystem::path& dir) : files_(dir) {}

  WordPieceSpec load() {
    const auto tokenizer = files_.read_json(kTokenizerJson);
    const auto config = files_.read_json(kTokenizerConfig);
    if (files_.has(kVocabTxt)) files_.read(kVocabTxt);
    if (tokenizer) {
      read_tokenizer(*tokenizer);
    } else {
      read_vocab();
    }
    if (const auto names = files_.read_json(kSpecialTokensMap)) special_tokens_.read_names(*names);
    if (config) read_config(*config);
    if (const auto added = files_.read_json(kAddedTokens)) special_tokens_.read_added(*added);
    resolve_special_tokens(/*has_tokenizer_json=*/tokenizer.has_value());
    resolve_case(config ? config->json : Json::object());
    spec_.files = std::move(files_.contents);
    return std::move(spec_);
  }

 private:
  // One token a line; a line's number from 0 is its id. White space at the end is not part of the
  // token.
  void read_vocab() {
    spec_.where = files_.path(kVocabTxt);
    std::string_view rest = files_.contents.at(kVocabTxt);
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (spec_.entries.size() == kMaxVocabulary)
        throw UserError(spec_.where + ": expected at most " + std::to_string(kMaxVocabulary) +
                        " tokens, got more");
      spec_.entries.emplace_back(trim_end(line, spec_.entries.size() + 1),
                                 static_cast<int32_t>(spec_.entries.size()));
    }
    if (spec_.entries.empty())
      throw UserError(spec_.where + ": expected one token a line, the file is empty");
  }

  std::string trim_end(std::string_view line, size_t number) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(line.data());
    size_t length = 0;
    for (size_t i = 0; i < line.size();) {
      UChar32 c;
      U8_NEXT(bytes, i, line.size(), c);
      if (c < 0)
        throw UserError(spec_.where + ":" + std::to_string(number) +
                        ": expected UTF-8, got an invalid byte");
      if (!u_isUWhiteSpace(c)) length = i;
    }
    return std::string(line.substr(0, length));
  }

  void read_tokenizer(const JsonFile& file) {
    spec_.where = file.path;
    const Json& model = file.object(file.json, "model");
    file.expect_type(model, "model", "WordPiece");
    const Json& vocab = file.object(model, "vocab");
    if (vocab.empty())
      throw UserError(file.path + ": model: expected a WordPiece vocabulary, got none");
    file.read_ids(vocab, "model.vocab", [&](const std::string& token, int32_t id) {
      spec_.entries.emplace_back(token, id);
    });
    unk_of_model_ = file.get<std::string>(model, "unk_token", "a string");
    spec_.continuing_prefix = file.get<std::string>(model, "continuing_subword_prefix", "a string")
                                  .value_or(spec_.continuing_prefix);
    spec_.max_chars_per_word = file.get<int32_t>(model, "max_input_chars_per_word", "a number")
                                   .value_or(spec_.max_chars_per_word);

    const Json& normalizer = file.object(file.json, "normalizer");
    file.expect_type(normalizer, "normalizer", "BertNormalizer");
    file.expect_type(file.object(file.json, "pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer");
    spec_.normalizer.clean_text = file.get_bool(normalizer, "clean_text").value_or(true);
    spec_.normalizer.handle_chinese_chars =
        file.get_bool(normalizer, "handle_chinese_chars").value_or(true);
    lowercase_ = file.get_bool(normalizer, "lowercase");
    strip_accents_ = file.get_bool(normalizer, "strip_accents");
    spec_.trim_offsets = read_trim_offsets(file);
    special_tokens_.read_tokenizer(file);
  }

  void read_config(const JsonFile& file) {
    special_tokens_.read_config(file);
    if (const auto value = file.get_bool(file.json, "do_lower_case")) lowercase_ = value;
    if (file.json.contains("strip_accents"))
      strip_accents_ = file.get_bool(file.json, "strip_accents");
    if (const auto value = file.get_bool(file.json, "tokenize_chinese_chars"))
      spec_.normalizer.handle_chinese_chars = *value;
  }

  // MPNet's names where the vocabulary has them (it has BERT's as well), else BERT's.
  void resolve_special_tokens(bool has_tokenizer_json) {
    std::map<std::string_view, int32_t> ids;
    for (const auto& [token, id] : spec_.entries) ids[token] = id;
    const auto find = [&](std::string_view token) {
      const auto found = ids.find(token);
      return found == ids.end() ? kNoToken : found->second;
    };
    const bool is_mpnet = find("<s>") != kNoToken && find("</s>") != kNoToken;
    const auto names = [&](const char* mpnet, const char* bert) {
      return is_mpnet ? std::vector<std::string>{mpnet, bert} : std::vector<std::string>{bert};
    };
    special_tokens_.resolve({.cls = names("<s>", "[CLS]"),
                             .sep = names("</s>", "[SEP]"),
                             .pad = names("<pad>", "[PAD]"),
                             .unk = {unk_of_model_.value_or("[UNK]")},
                             .mask = names("<mask>", "[MASK]"),
                             .mask_lstrip = is_mpnet && !has_tokenizer_json},
                            find);
    spec_.special_tokens = special_tokens_.names;
    spec_.added_tokens = std::move(special_tokens_.added);
    if (is_mpnet && !has_tokenizer_json) spec_.trim_offsets = {.trim = true};
  }

  void resolve_case(Json config) {
    if (!lowercase_) {
      lowercase_ = std::none_of(
          spec_.entries.begin(), spec_.entries.end(), [](const Vocabulary::Entry& entry) {
            const std::string& token = entry.first;
            const bool special = token.starts_with('[') || token.starts_with('<');
            return !special && std::any_of(token.begin(), token.end(),
                                           [](char c) { return c >= 'A' && c <= 'Z'; });
          });
    }
    spec_.normalizer.lowercase = *lowercase_;
    spec_.normalizer.strip_accents = strip_accents_.value_or(*lowercase_);
    if (config.contains("do_lower_case")) return;
    // transformers reads these from this file only, so a saved copy says what another file said.
    const bool is_mpnet = spec_.special_tokens.cls == "<s>";
    config.emplace("tokenizer_class", is_mpnet ? "MPNetTokenizer" : "BertTokenizer");
    config["do_lower_case"] = *lowercase_;
    config["strip_accents"] = strip_accents_ ? Json(*strip_accents_) : Json();
    config["tokenize_chinese_chars"] = spec_.normalizer.handle_chinese_chars;
    files_.contents[kTokenizerConfig] = config.dump(2) + "\n";
  }

  TokenizerFiles files_;
  WordPieceSpec spec_;
  SpecialTokenReader special_tokens_;
  std::optional<std::string> unk_of_model_;
  std::optional<bool> lowercase_, strip_accents_;
};

bool reads_wordpiece(const std::filesystem::path& model_dir) {
  const std::string type = tokenizer_json_type(model_dir);
  return type.empty() ? TokenizerFiles(model_dir).has(kVocabTxt) : type == "WordPiece";
}

std::shared_ptr<const Tokenizer> load_wordpiece(const std::filesystem::path& model_dir) {
  return std::make_shared<WordPiece>(WordPieceLoader(model_dir).load());
}

}  // namespace

const TokenizerKind& wordpiece_tokenizer() {
  static constexpr TokenizerKind kKind{"WordPiece",
                                       "tokenizer.json of type WordPiece, or vocab.txt",
                                       reads_wordpiece, load_wordpiece};
  return kKind;
}

}  // namespace lait
