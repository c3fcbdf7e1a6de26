// Reading special and added tokens.
#include "lait/text/special_tokens.h"

#include <algorithm>
#include <array>

#include "lait/base/error.h"

namespace lait {
namespace {

using Json = JsonFile::Json;

// A search for added tokens compares all of them.
constexpr size_t kMaxAddedTokens = 10000;

enum TokenKey { kClsKey, kSepKey, kPadKey, kUnkKey, kMaskKey, kBosKey, kEosKey, kNumTokenKeys };
constexpr std::array<const char*, kNumTokenKeys> kTokenKeys = {
    "cls_token", "sep_token", "pad_token", "unk_token", "mask_token", "bos_token", "eos_token"};

// What an object says of an added token, but for its id.
std::optional<AddedToken> read_token(const JsonFile& file, const Json& token,
                                     bool special_by_default) {
  const auto content = file.get<std::string>(token, "content", "a string");
  if (!content) return std::nullopt;
  const bool special = file.get_bool(token, "special").value_or(special_by_default);
  return AddedToken{.content = *content,
                    .single_word = file.get_bool(token, "single_word").value_or(false),
                    .lstrip = file.get_bool(token, "lstrip").value_or(false),
                    .rstrip = file.get_bool(token, "rstrip").value_or(false),
                    .normalized = file.get_bool(token, "normalized").value_or(!special)};
}

bool has_content(const std::vector<AddedToken>& tokens, std::string_view content) {
  return std::any_of(tokens.begin(), tokens.end(),
                     [&](const AddedToken& token) { return token.content == content; });
}

}  // namespace

SpecialTokens find_special_tokens(const SpecialTokenNames& names, bool needs_unk,
                                  const FindToken& find, const std::vector<AddedToken>& added,
                                  const std::string& where) {
  const auto id_of = [&](const std::string& name, TokenKey key) {
    int32_t id = find(name);
    for (const AddedToken& token : added) {
      if (id == kNoToken && token.content == name) id = token.id;
    }
    if (id == kNoToken && key != kMaskKey && (key != kUnkKey || needs_unk)) {
      throw UserError(where + ": expected the token " + plain(name) + " (" + kTokenKeys[key] +
                      "), but it is not in the vocabulary; name the vocabulary's own token in "
                      "tokenizer_config.json, or use the complete tokenizer files of the model");
    }
    return id;
  };
  return {.cls = id_of(names.cls, kClsKey),
          .sep = id_of(names.sep, kSepKey),
          .pad = id_of(names.pad, kPadKey),
          .unk = id_of(names.unk, kUnkKey),
          .mask = id_of(names.mask, kMaskKey)};
}

void add_special_tokens(const SpecialTokenNames& names, const SpecialTokens& ids,
                        std::vector<AddedToken>& added) {
  const auto add = [&](const std::string& name, int32_t id) {
    if (id != kNoToken && !has_content(added, name)) added.push_back({.content = name, .id = id});
  };
  add(names.unk, ids.unk);
  add(names.cls, ids.cls);
  add(names.sep, ids.sep);
  add(names.pad, ids.pad);
  add(names.mask, ids.mask);
}

TrimOffsets read_trim_offsets(const JsonFile& tokenizer_json) {
  const auto read = [&](const Json& processor) -> std::optional<TrimOffsets> {
    const auto type = tokenizer_json.get<std::string>(processor, "type", "a string");
    if (type != "RobertaProcessing" && type != "ByteLevel") return std::nullopt;
    return TrimOffsets{tokenizer_json.get_bool(processor, "trim_offsets").value_or(true),
                       tokenizer_json.get_bool(processor, "add_prefix_space").value_or(true)};
  };
  const Json& processor = tokenizer_json.object(tokenizer_json.json, "post_processor");
  if (const auto trim = read(processor)) return *trim;
  for (const Json& part : tokenizer_json.list(processor, "processors")) {
    if (!part.is_object()) tokenizer_json.fail("post_processor", "a list of objects", part);
    if (const auto trim = read(part)) return *trim;
  }
  return {};
}

void SpecialTokenReader::add(const JsonFile& file, const std::string& key, AddedToken token) {
  if (!contents_.insert(token.content).second) return;
  if (added.size() == kMaxAddedTokens) {
    throw UserError(file.path + ": " + key + ": expected at most " +
                    std::to_string(kMaxAddedTokens) + " added tokens, got more");
  }
  added.push_back(std::move(token));
}

void SpecialTokenReader::add(const JsonFile& file, const std::string& key, const Json& token,
                             int32_t id) {
  auto read = read_token(file, token, /*special_by_default=*/false);
  if (!read) file.fail(key, "a content in each object", token);
  read->id = id;
  add(file, key, std::move(*read));
}

void SpecialTokenReader::read_tokenizer(const JsonFile& file) {
  for (const Json& token : file.list(file.json, "added_tokens")) {
    if (!token.is_object()) file.fail("added_tokens", "a list of objects", token);
    const auto id = file.get<int32_t>(token, "id", "an id of 0 or more");
    if (!id) file.fail("added_tokens", "an id in each object", token);
    add(file, "added_tokens", token, *id);
  }
}

void SpecialTokenReader::read_config(const JsonFile& file) {
  for (const auto& [id, token] : file.object(file.json, "added_tokens_decoder").items()) {
    const bool is_number =
        !id.empty() && id.size() < 10 &&
        std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) file.fail("added_tokens_decoder", "ids as keys", id);
    if (!token.is_object()) file.fail("added_tokens_decoder." + plain(id), "an object", token);
    add(file, "added_tokens_decoder." + id, token, std::stoi(id));
  }
  read_names(file);
}

void SpecialTokenReader::read_names(const JsonFile& file) {
  named_.resize(kNumTokenKeys);
  const auto token_of = [&](const char* key, const Json& value) -> std::optional<AddedToken> {
    if (value.is_object()) return read_token(file, value, /*special_by_default=*/true);
    if (!value.is_string()) file.fail(key, "a token", value);
    return AddedToken{.content = value.get<std::string>()};
  };
  for (size_t key = 0; key < kNumTokenKeys; ++key) {
    const auto found = file.json.find(kTokenKeys[key]);
    if (found == file.json.end() || found->is_null()) continue;
    const auto token = token_of(kTokenKeys[key], *found);
    if (!token) continue;
    // A name alone does not undo what another file says of the same token.
    if (found->is_object() || named_[key].content != token->content) named_[key] = *token;
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const auto found = file.json.find(key);
    if (found == file.json.end() || !found->is_array()) continue;
    for (const Json& value : *found) {
      if (more_.size() == kMaxAddedTokens) file.fail(key, "a list of at most 10000 tokens", *found);
      if (auto token = token_of(key, value)) more_.push_back(std::move(*token));
    }
  }
}

void SpecialTokenReader::read_added(const JsonFile& file) {
  if (file.json.size() > kMaxAddedTokens) file.fail("the file", "at most 10000 tokens", "more");
  file.read_ids(file.json, "the file",
                [&](const std::string& content, int32_t id) { ids_.emplace(content, id); });
}

void SpecialTokenReader::resolve(const Defaults& defaults, const FindToken& find) {
  named_.resize(kNumTokenKeys);
  const auto id_of = [&](const std::string& content) {
    const auto id = ids_.find(content);
    return id != ids_.end() ? id->second : find(content);
  };
  const auto name = [&](TokenKey key, const std::vector<std::string>& candidates) {
    if (!named_[key].content.empty()) return named_[key].content;
    const auto known = [&](const std::string& candidate) {
      return id_of(candidate) != kNoToken || contents_.contains(candidate);
    };
    const auto found = std::find_if(candidates.begin(), candidates.end(), known);
    const std::string& chosen = found == candidates.end() ? candidates.front() : *found;
    named_[key] = {.content = chosen};
    return chosen;
  };
  names = {.cls = name(kClsKey, defaults.cls),
           .sep = name(kSepKey, defaults.sep),
           .pad = name(kPadKey, defaults.pad),
           .unk = name(kUnkKey, defaults.unk),
           .mask = name(kMaskKey, defaults.mask)};
  named_[kMaskKey].lstrip |= defaults.mask_lstrip;
  named_.insert(named_.end(), more_.begin(), more_.end());
  for (AddedToken& token : named_) {
    token.id = id_of(token.content);
    if (token.id != kNoToken && contents_.insert(token.content).second)
      added.push_back(std::move(token));
  }
  for (const auto& [content, id] : ids_) {
    if (contents_.insert(content).second)
      added.push_back({.content = content, .id = id, .normalized = true});
  }
}

}  // namespace lait
