// The files of a tokenizer's directory: reading them with clear errors, and keeping them for
// Tokenizer::save.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"

namespace lait {

inline constexpr const char* kTokenizerJson = "tokenizer.json";
inline constexpr const char* kTokenizerConfig = "tokenizer_config.json";
inline constexpr const char* kSpecialTokensMap = "special_tokens_map.json";
inline constexpr const char* kAddedTokens = "added_tokens.json";

inline constexpr size_t kMaxVocabulary = size_t{1} << 22;

// Text of a file as it may stand in a one-line message.
std::string plain(std::string_view text);

// A JSON file and its path, so that each error says which file, which key, what was expected and
// what came.
struct JsonFile {
  using Json = nlohmann::json;

  std::string path;
  Json json;

  [[noreturn]] void fail(const std::string& key, const std::string& expected, const Json& got,
                         const std::string& way_out = "") const {
    throw UserError(path + ": " + key + ": expected " + expected + ", got " +
                    shortened(got.dump()) + (way_out.empty() ? "" : "; " + way_out));
  }

  // The value of a key of object; nullopt where it is absent or null. T: bool, int32_t (0 or more)
  // or std::string.
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
  std::optional<bool> get_bool(const Json& object, const char* key) const {
    return get<bool>(object, key, "true or false");
  }
  // The object of a key; an empty one where it is absent or null.
  const Json& object(const Json& parent, const char* key) const;
  // The list of a key; an empty one where it is absent or null.
  const Json& list(const Json& parent, const char* key) const;

  // Throws UserError where the object of a key is none, or has another "type".
  const Json& object_of_type(const Json& parent, const char* key, const char* type) const;
  // Reads an object of tokens and their ids: calls add(token, id) for each.
  template <class Add>
  void read_ids(const Json& ids, const std::string& key, const Add& add) const {
    for (const auto& [token, id] : ids.items()) {
      if (!id.is_number_unsigned() || id.template get<uint64_t>() >= INT32_MAX)
        fail(key + "." + plain(token), "an id of 0 or more", id);
      add(token, id.template get<int32_t>());
    }
  }
};

class TokenizerFiles {
 public:
  explicit TokenizerFiles(const std::filesystem::path& dir) : dir_(dir) {}

  bool has(const char* name) const { return std::filesystem::exists(dir_ / name); }
  std::string path(const char* name) const { return (dir_ / name).string(); }
  // The text of a file, kept for save. Requires: has(name).
  const std::string& read(const char* name);
  // nullopt where there is no such file. Throws UserError where it is no JSON object.
  std::optional<JsonFile> read_json(const char* name);

  // The JSON files that every kind of tokenizer has; read once.
  const std::optional<JsonFile>& tokenizer() { return json_once(kTokenizerJson); }
  const std::optional<JsonFile>& config() { return json_once(kTokenizerConfig); }
  const std::optional<JsonFile>& special_tokens_map() { return json_once(kSpecialTokensMap); }
  const std::optional<JsonFile>& added_tokens() { return json_once(kAddedTokens); }

  // Name to content.
  std::map<std::string, std::string> contents;

 private:
  const std::optional<JsonFile>& json_once(const char* name);

  std::filesystem::path dir_;
  std::map<std::string, std::optional<JsonFile>> json_;
};

// "model.type" of the directory's tokenizer.json; where it names none: BPE if the model has merges,
// else WordPiece. Empty where there is no tokenizer.json. Reads no further than the type where it
// can. Throws UserError where the file is no JSON object.
std::string tokenizer_json_type(const std::filesystem::path& model_dir);

}  // namespace lait
