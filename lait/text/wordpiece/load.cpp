// Loading a WordPiece tokenizer from a Hugging Face model directory.
//
// The result equals what transformers makes of the same files (docs/tokenizer-files.md). The
// vocabulary is tokenizer.json's, else vocab.txt's; lower case, accents and Chinese characters come
// from tokenizer_config.json, else from tokenizer.json. Where neither mentions lower case,
// transformers would lower-case; here a vocabulary with capital letters is cased, and save writes
// that down. The truncation and padding of tokenizer.json are ignored: lait/data limits lengths.
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "lait/base/error.h"
#include "lait/text/special_tokens.h"
#include "lait/text/tokenizer_class.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/tokenizers.h"
#include "lait/text/wordpiece/wordpiece.h"

namespace lait {
namespace {

using Json = nlohmann::json;

constexpr const char* kVocabTxt = "vocab.txt";
constexpr const char* kUnk = "[UNK]";

class WordPieceLoader {
 public:
  explicit WordPieceLoader(const std::filesystem::path& dir) : files_(dir) {}

  WordPieceSpec load() {
    class_ = read_tokenizer_class(files_, {{"BertTokenizer", DescribedLayout::bert, true},
                                           {"DistilBertTokenizer", DescribedLayout::bert},
                                           {"ElectraTokenizer", DescribedLayout::bert, true},
                                           {"MPNetTokenizer", DescribedLayout::roberta}});
    const std::optional<JsonFile>& tokenizer = files_.tokenizer();
    if (files_.has(kVocabTxt)) files_.read(kVocabTxt);
    if (tokenizer) read_tokenizer(*tokenizer);
    std::vector<Vocabulary::Entry> of_txt;
    if (files_.has(kVocabTxt)) of_txt = read_vocab();
    if (!tokenizer) {
      spec_.entries = std::move(of_txt);
      spec_.where = files_.path(kVocabTxt);
    }
    for (const auto& [token, id] : spec_.entries) ids_[token] = id;
    if (files_.config()) read_config(*files_.config());
    resolve_special_tokens();
    if (tokenizer) check_vocab(of_txt);
    resolve_case();
    spec_.files = std::move(files_.contents);
    return std::move(spec_);
  }

 private:
  // One token a line; a line's number from 0 is its id. White space at the end is not part of the
  // token.
  std::vector<Vocabulary::Entry> read_vocab() const {
    const std::string where = files_.path(kVocabTxt);
    std::vector<Vocabulary::Entry> entries;
    std::string_view rest = files_.contents.at(kVocabTxt);
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (entries.size() == kMaxVocabulary)
        throw UserError(where + ": expected at most " + std::to_string(kMaxVocabulary) +
                        " tokens, got more");
      entries.emplace_back(trim_end(where, line, entries.size() + 1),
                           static_cast<int32_t>(entries.size()));
    }
    if (entries.empty()) throw UserError(where + ": expected one token a line, the file is empty");
    return entries;
  }

  // transformers reads no vocab.txt beside tokenizer.json, so a change of one alone goes unseen.
  void check_vocab(const std::vector<Vocabulary::Entry>& entries) const {
    std::unordered_map<int32_t, std::string_view> tokens;
    for (const AddedToken& token : spec_.added_tokens) tokens[token.id] = token.content;
    for (const auto& [token, id] : spec_.entries) tokens[id] = token;
    std::unordered_map<std::string_view, int32_t> last;
    for (const auto& [token, id] : entries) last[token] = id;
    for (const auto& [token, id] : entries) {
      const auto found = tokens.find(id);
      const bool is_known = found != tokens.end();
      if (is_known && found->second == token) continue;
      // Of a token's lines the last counts; empty ones stand at the end of files.
      if (!is_known && (token.empty() || last.at(token) != id)) continue;
      const std::string shown = "'" + plain(token) + "'";
      throw UserError(
          files_.path(kVocabTxt) + ":" + std::to_string(id + 1) + ": expected " +
          (is_known ? "'" + plain(found->second) + "', the token of that id in tokenizer.json, got "
                    : "the tokens of tokenizer.json alone, got one more: ") +
          shown + "; transformers reads tokenizer.json alone: remove the file that is wrong");
    }
  }

  static std::string trim_end(const std::string& where, std::string_view line, size_t number) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(line.data());
    size_t length = 0;
    for (size_t i = 0; i < line.size();) {
      UChar32 c;
      U8_NEXT(bytes, i, line.size(), c);
      if (c < 0)
        throw UserError(where + ":" + std::to_string(number) +
                        ": expected UTF-8, got an invalid byte");
      if (!u_isUWhiteSpace(c)) length = i;
    }
    return std::string(line.substr(0, length));
  }

  void read_tokenizer(const JsonFile& file) {
    spec_.where = file.path;
    const Json& model = file.object(file.json, "model");
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
    const Json& normalizer = file.object_of_type(file.json, "normalizer", "BertNormalizer");
    file.object_of_type(file.json, "pre_tokenizer", "BertPreTokenizer");
    spec_.normalizer.clean_text = file.get_bool(normalizer, "clean_text").value_or(true);
    const WordPieceSpec usual;
    expect_of_class(class_, file, "model.continuing_subword_prefix", spec_.continuing_prefix,
                    usual.continuing_prefix);
    expect_of_class(class_, file, "model.max_input_chars_per_word", spec_.max_chars_per_word,
                    usual.max_chars_per_word);
    expect_of_class(class_, file, "normalizer.clean_text", spec_.normalizer.clean_text, true);
    chinese_ = file.get_bool(normalizer, "handle_chinese_chars");
    lowercase_ = file.get_bool(normalizer, "lowercase");
    strip_accents_ = file.get_bool(normalizer, "strip_accents");
    describe_post_processor(class_, file, spec_);
  }

  void read_config(const JsonFile& file) {
    lowercase_ = value_of_class(class_, file, "do_lower_case", lowercase_);
    chinese_ = value_of_class(class_, file, "tokenize_chinese_chars", chinese_);
    if (!class_.is_generic && file.json.contains("strip_accents"))
      strip_accents_ = file.get_bool(file.json, "strip_accents");
    if (class_.is_generic) value_of_class(class_, file, "strip_accents", strip_accents_);
  }

  // MPNet's names where the vocabulary has them (it has BERT's as well), else BERT's.
  void resolve_special_tokens() {
    const auto find = [&](std::string_view token) {
      const auto found = ids_.find(std::string(token));
      return found == ids_.end() ? kNoToken : found->second;
    };
    is_mpnet_ = class_.name.empty() || class_.is_generic
                    ? find("<s>") != kNoToken && find("</s>") != kNoToken
                    : class_.name == "MPNetTokenizer";
    const auto names = [&](const char* mpnet, const char* bert) {
      return is_mpnet_ ? std::vector<std::string>{mpnet, bert} : std::vector<std::string>{bert};
    };
    SpecialTokenFiles read = read_special_tokens(
        files_, {.cls = names("<s>", "[CLS]"),
                 .sep = names("</s>", "[SEP]"),
                 .pad = names("<pad>", "[PAD]"),
                 .unk = {class_.is_generic ? unk_of_model_.value_or(kUnk) : std::string(kUnk)},
                 .mask = names("<mask>", "[MASK]"),
                 .mask_lstrip = is_mpnet_ && !class_.is_generic,
                 .is_generic = class_.is_generic,
                 .find = find,
                 .vocabulary_size = ids_.size()});
    spec_.special_tokens = std::move(read.names);
    spec_.added_tokens = std::move(read.added);
    spec_.names_are_added = false;
    if (unk_of_model_ && *unk_of_model_ != spec_.special_tokens.unk) {
      files_.tokenizer()->fail(
          "model.unk_token", '"' + plain(spec_.special_tokens.unk) + "\", the unk_token",
          *unk_of_model_, "name the right one here and in tokenizer_config.json");
    }
    if (is_mpnet_ && !files_.tokenizer()) spec_.trim_offsets = {.trim = true};
    describe_class(class_, find, spec_);
  }

  void resolve_case() {
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
    spec_.normalizer.handle_chinese_chars = chinese_.value_or(true);
    // transformers reads these from this file only, so a saved copy says what another file said.
    Json config = files_.config() ? files_.config()->json : Json::object();
    const bool says_all = config.contains("do_lower_case") &&
                          (config.contains("strip_accents") || !strip_accents_) &&
                          (config.contains("tokenize_chinese_chars") || chinese_.value_or(true));
    if (class_.is_generic || says_all) return;
    config.emplace("tokenizer_class", is_mpnet_ ? "MPNetTokenizer" : "BertTokenizer");
    config.emplace("do_lower_case", *lowercase_);
    config.emplace("strip_accents", strip_accents_ ? Json(*strip_accents_) : Json());
    config.emplace("tokenize_chinese_chars", spec_.normalizer.handle_chinese_chars);
    files_.contents[kTokenizerConfig] = config.dump(2) + "\n";
  }

  TokenizerFiles files_;
  WordPieceSpec spec_;
  TokenizerClass class_;
  std::unordered_map<std::string, int32_t> ids_;
  std::optional<std::string> unk_of_model_;
  std::optional<bool> lowercase_, strip_accents_, chinese_;
  bool is_mpnet_ = false;
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
