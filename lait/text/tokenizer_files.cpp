// Reading the files of a tokenizer's directory.
#include "lait/text/tokenizer_files.h"

#include "lait/base/files.h"
#include "lait/base/json.h"

namespace lait {
namespace {

using Json = nlohmann::json;

// Receives the events of a JSON text until "model": {"type": "..."} has passed.
class TypeSearch final : public nlohmann::json_sax<Json> {
 public:
  std::string type;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_array(size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool start_object(size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) in_model_ = name == "model";
    at_type_ = depth_ == 2 && in_model_ && name == "type";
    return true;
  }
  bool string(string_t& value) override {
    if (!at_type_) return true;
    type = value;
    return false;
  }

 private:
  bool enter() {
    at_type_ = false;
    return ++depth_ <= kMaxJsonDepth;
  }
  bool leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
  bool in_model_ = false, at_type_ = false;
};

const Json& value_of(const JsonFile& file, const Json& parent, const char* key, bool is_object,
                     const Json& none) {
  const auto found = parent.find(key);
  if (found == parent.end() || found->is_null()) return none;
  if (is_object && !found->is_object()) file.fail(key, "an object", *found);
  if (!is_object && !found->is_array()) file.fail(key, "a list", *found);
  return *found;
}

}  // namespace

std::string plain(std::string_view text) {
  const std::string quoted = quote(text);
  return quoted.substr(1, quoted.size() - 2);
}

const Json& JsonFile::object(const Json& parent, const char* key) const {
  static const Json kNone = Json::object();
  return value_of(*this, parent, key, /*is_object=*/true, kNone);
}

const Json& JsonFile::list(const Json& parent, const char* key) const {
  static const Json kNone = Json::array();
  return value_of(*this, parent, key, /*is_object=*/false, kNone);
}

const Json& JsonFile::object_of_type(const Json& parent, const char* key, const char* type) const {
  const Json& found = object(parent, key);
  const std::string got = get<std::string>(found, "type", "a string").value_or("none");
  if (got != type)
    throw UserError(path + ": " + key + ".type: expected " + type + ", got " + plain(got) +
                    "; no other is supported");
  return found;
}

const std::string& TokenizerFiles::read(const char* name) {
  return contents[name] = read_file(dir_ / name, kMaxJsonBytes);
}

std::optional<JsonFile> TokenizerFiles::read_json(const char* name) {
  if (!has(name)) return std::nullopt;
  JsonFile file{path(name), parse_json(read(name), path(name))};
  if (!file.json.is_object()) file.fail("the file", "an object", file.json);
  return file;
}

const std::optional<JsonFile>& TokenizerFiles::json_once(const char* name) {
  const auto found = json_.find(name);
  return found != json_.end() ? found->second : json_.emplace(name, read_json(name)).first->second;
}

std::string tokenizer_json_type(const std::filesystem::path& model_dir) {
  TokenizerFiles files(model_dir);
  if (!files.has(kTokenizerJson)) return "";
  TypeSearch search;
  Json::sax_parse(files.read(kTokenizerJson), &search);
  if (!search.type.empty()) return search.type;
  const JsonFile file = *files.read_json(kTokenizerJson);
  const Json& model = file.object(file.json, "model");
  const std::string by_keys = model.contains("merges") ? "BPE" : "WordPiece";
  return file.get<std::string>(model, "type", "a string").value_or(by_keys);
}

}  // namespace lait
