// Reading the tokenizer of a Hugging Face model directory.
//
// The rule kept: what transformers makes of the same files. The vocabulary is tokenizer.json's, else vocab.txt's; lower
// case, accents, Chinese characters and the names of special tokens are tokenizer_config.json's, else tokenizer.json's.
// Where neither speaks of lower case, transformers would lower-case; here the vocabulary decides: one with capital
// letters is cased, and save writes that down. tokenizer.json's truncation and padding are not taken: lengths are the
// business of lait/data.
#include "lait/text/tokenizer.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "lait/base/shown_text.h"
#include "lait/text/wordpiece/wordpiece.h"

namespace lait {
namespace {

using Json = nlohmann::json;

constexpr const char* kVocab = "vocab.txt";
constexpr const char* kTokenizer = "tokenizer.json";
constexpr const char* kConfig = "tokenizer_config.json";
constexpr const char* kSpecialTokens = "special_tokens_map.json";
constexpr size_t kMaxTokens = size_t{1} << 22,
                 kMaxAddedTokens = 10000;  // a search goes through all added tokens

// Text of a file as it may stand in a message of one line.
std::string plain(std::string_view text) {
  const std::string quoted = quote(text);
  return quoted.substr(1, quoted.size() - 2);
}

// One JSON file and its name, so that each error says which file, which key, what was expected and what came.
struct JsonFile {
  std::string path;
  Json json;

  [[noreturn]] void fail(const std::string& key, const std::string& expected,
                         const Json& got) const {
    throw UserError(path + ": " + key + ": expected " + expected + ", got " +
                    shortened(got.dump()));
  }
  // The value of a key of object; null and absent keys are nullopt.
  template <typename T>
  std::optional<T> get(const Json& object, const char* key, const char* expected) const {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::nullopt;
    const bool fits = std::is_same_v<T, bool> ? found->is_boolean()
                      : std::is_same_v<T, int32_t>
                          ? found->is_number_unsigned() && found->get<uint64_t>() < INT32_MAX
                          : found->is_string();
    if (!fits) fail(key, expected, *found);
    return found->get<T>();
  }
  const Json& object(const Json& parent, const char* key) const {
    static const Json kNone = Json::object();
    const auto found = parent.find(key);
    if (found == parent.end() || found->is_null()) return kNone;
    if (!found->is_object()) fail(key, "an object", *found);
    return *found;
  }
};

class Loader {
 public:
  explicit Loader(const std::filesystem::path& dir) : dir_(dir) {}

  WordPieceSpec load() {
    if (!std::filesystem::is_directory(dir_))
      throw UserError(dir_.string() + ": expected a model directory");
    const auto tokenizer = read_json(kTokenizer);
    const auto config = read_json(kConfig);
    const auto special_tokens = read_json(kSpecialTokens);
    const bool has_vocab = keep_file(kVocab);
    if (tokenizer) {
      spec_.where = tokenizer->path;
      read_tokenizer(*tokenizer);
    } else if (has_vocab) {
      spec_.where = (dir_ / kVocab).string();
      read_vocab(spec_.files.at(kVocab));
    } else {
      throw UserError(
          dir_.string() +
          ": expected vocab.txt or tokenizer.json, found neither; copy the tokenizer files "
          "of the model into it");
    }
    if (special_tokens) read_special_tokens(*special_tokens);
    if (config) {
      read_special_tokens(*config);
      read_config(*config);
    }
    settle_case(config ? config->json : Json::object());
    return std::move(spec_);
  }

 private:
  bool keep_file(const char* name) {
    if (!std::filesystem::exists(dir_ / name)) return false;
    spec_.files[name] = read_file(dir_ / name, kMaxJsonBytes);
    return true;
  }

  std::optional<JsonFile> read_json(const char* name) {
    if (!keep_file(name)) return std::nullopt;
    const std::string path = (dir_ / name).string();
    JsonFile file{path, parse_json(spec_.files.at(name), path)};
    if (!file.json.is_object()) file.fail("the file", "an object", file.json);
    return file;
  }

  // One token a line, the id is the line's number from 0; white space at the end is not part of the token.
  void read_vocab(const std::string& content) {
    std::string_view rest = content;
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (spec_.entries.size() == kMaxTokens)
        throw UserError(spec_.where + ": expected at most " + std::to_string(kMaxTokens) +
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
    const Json& model = file.object(file.json, "model");
    const auto type = file.get<std::string>(model, "type", "a string");
    const Json& vocab = file.object(model, "vocab");
    if (type.value_or("WordPiece") != "WordPiece" || vocab.empty()) {
      throw UserError(file.path + ": model: expected a WordPiece vocabulary, got " +
                      (vocab.empty() ? "none" : "type " + plain(*type)) +
                      "; lait reads BERT's tokenizers");
    }
    for (const auto& [token, id] : vocab.items()) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= INT32_MAX) {
        file.fail("model.vocab." + plain(token), "an id of 0 or more", id);
      }
      spec_.entries.emplace_back(token, id.get<int32_t>());
    }
    spec_.unk_token =
        file.get<std::string>(model, "unk_token", "a string").value_or(spec_.unk_token);
    spec_.continuing_prefix = file.get<std::string>(model, "continuing_subword_prefix", "a string")
                                  .value_or(spec_.continuing_prefix);
    spec_.max_chars_per_word = file.get<int32_t>(model, "max_input_chars_per_word", "a number")
                                   .value_or(spec_.max_chars_per_word);

    const Json& normalizer = file.object(file.json, "normalizer");
    expect_type(file, normalizer, "normalizer", "BertNormalizer");
    expect_type(file, file.object(file.json, "pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer");
    spec_.normalizer.clean_text =
        file.get<bool>(normalizer, "clean_text", "true or false").value_or(true);
    spec_.normalizer.handle_chinese_chars =
        file.get<bool>(normalizer, "handle_chinese_chars", "true or false").value_or(true);
    lowercase_ = file.get<bool>(normalizer, "lowercase", "true or false");
    strip_accents_ = file.get<bool>(normalizer, "strip_accents", "true or false");
    const auto added = file.json.find("added_tokens");
    if (added == file.json.end() || added->is_null()) return;
    if (!added->is_array()) file.fail("added_tokens", "a list", *added);
    for (const Json& token : *added) {
      if (!token.is_object()) file.fail("added_tokens", "a list of objects", token);
      const auto id = file.get<int32_t>(token, "id", "an id of 0 or more");
      if (!id) file.fail("added_tokens", "an id in each object", token);
      add_token(file, "added_tokens", token, *id);
    }
  }

  void expect_type(const JsonFile& file, const Json& object, const char* key,
                   const char* expected) const {
    const std::string type = file.get<std::string>(object, "type", "a string").value_or(expected);
    if (type != expected) {
      throw UserError(file.path + ": " + key + ".type: expected " + expected + ", got " +
                      plain(type) + "; lait reads BERT's tokenizers");
    }
  }

  void add_token(const JsonFile& file, const std::string& key, const Json& token, int32_t id) {
    const auto content = file.get<std::string>(token, "content", "a string");
    if (!content) file.fail(key, "a content in each object", token);
    const bool known =
        std::any_of(spec_.added_tokens.begin(), spec_.added_tokens.end(),
                    [&](const AddedToken& other) { return other.content == *content; });
    if (known) return;
    if (spec_.added_tokens.size() == kMaxAddedTokens) {
      throw UserError(file.path + ": " + key + ": expected at most " +
                      std::to_string(kMaxAddedTokens) + " added tokens, got more");
    }
    const bool special = file.get<bool>(token, "special", "true or false").value_or(false);
    spec_.added_tokens.push_back(
        {.content = *content,
         .id = id,
         .single_word = file.get<bool>(token, "single_word", "true or false").value_or(false),
         .normalized = file.get<bool>(token, "normalized", "true or false").value_or(!special)});
  }

  // Names as "cls_token": "[CLS]" or {"content": "[CLS]", …}.
  void read_special_tokens(const JsonFile& file) {
    const auto read = [&](const char* key, std::string& token) {
      const auto found = file.json.find(key);
      if (found != file.json.end() && found->is_object()) {
        token = file.get<std::string>(*found, "content", "a string").value_or(token);
      } else {
        token = file.get<std::string>(file.json, key, "a token").value_or(token);
      }
    };
    read("unk_token", spec_.unk_token);
    read("cls_token", spec_.cls_token);
    read("sep_token", spec_.sep_token);
    read("pad_token", spec_.pad_token);
    read("mask_token", spec_.mask_token);
  }

  void read_config(const JsonFile& file) {
    const auto read = [&](const char* key) {
      return file.get<bool>(file.json, key, "true or false");
    };
    if (const auto value = read("do_lower_case")) lowercase_ = value;
    if (file.json.contains("strip_accents")) strip_accents_ = read("strip_accents");
    if (const auto value = read("tokenize_chinese_chars"))
      spec_.normalizer.handle_chinese_chars = *value;
    for (const auto& [id, token] : file.object(file.json, "added_tokens_decoder").items()) {
      const bool is_number =
          !id.empty() && id.size() < 10 &&
          std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!is_number) file.fail("added_tokens_decoder", "ids as keys", id);
      if (!token.is_object()) file.fail("added_tokens_decoder." + plain(id), "an object", token);
      add_token(file, "added_tokens_decoder." + id, token, std::stoi(id));
    }
  }

  void settle_case(Json config) {
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
    // A saved copy says what was taken from elsewhere, since transformers reads these here alone.
    config.emplace("tokenizer_class", "BertTokenizer");
    config["do_lower_case"] = *lowercase_;
    config["strip_accents"] = strip_accents_ ? Json(*strip_accents_) : Json();
    config["tokenize_chinese_chars"] = spec_.normalizer.handle_chinese_chars;
    spec_.files[kConfig] = config.dump(2) + "\n";
  }

  std::filesystem::path dir_;
  WordPieceSpec spec_;
  std::optional<bool> lowercase_, strip_accents_;
};

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& model_dir) {
  return std::make_shared<WordPiece>(Loader(model_dir).load());
}

}  // namespace lait
