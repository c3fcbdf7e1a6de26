#include "lait/text/sentencepiece/t5_tokens.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "lait/base/error.h"

namespace lait {
namespace {

using Json = JsonFile::Json;

// A search for added tokens compares all of them.
constexpr int32_t kMaxT5Tokens = 10000;
constexpr const char* kAdditional = "additional_special_tokens";
constexpr std::string_view kSentinel = "<extra_id_";

// In the order in which transformers adds them.
constexpr std::array<const char*, 7> kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                               "pad_token", "cls_token", "mask_token"};
// T5Tokenizer has these whatever the files say.
const std::map<std::string, std::string> kDefaults = {
    {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};

std::string sentinel(int32_t i) {
  return std::string(kSentinel).append(std::to_string(i)).append(">");
}

class T5TokenReader {
 public:
  T5TokenReader(TokenizerFiles& files, const std::vector<std::string>& pieces)
      : files_(files), num_pieces_(static_cast<int32_t>(pieces.size())) {
    for (int32_t id = 0; id < num_pieces_; ++id) vocabulary_[pieces[static_cast<size_t>(id)]] = id;
  }

  T5Tokens read() {
    const std::optional<JsonFile>& config = files_.config();
    if (config) {
      out_.extra_ids =
          config->get<int32_t>(config->json, "extra_ids", "a number").value_or(out_.extra_ids);
      if (out_.extra_ids > kMaxT5Tokens)
        config->fail("extra_ids", "at most " + std::to_string(kMaxT5Tokens), out_.extra_ids);
      read_names(*config, /*is_map=*/false);
    }
    if (config && config->json.contains("added_tokens_decoder")) {
      read_decoder(*config);
      for (const char* name : {kSpecialTokensMap, kAddedTokens})  // kept for saved copies
        if (files_.has(name)) files_.read(name);
    } else {
      if (files_.special_tokens_map()) read_names(*files_.special_tokens_map(), /*is_map=*/true);
      if (files_.added_tokens()) read_added(*files_.added_tokens());
      if (files_.tokenizer()) read_tokenizer(*files_.tokenizer());
    }
    add_sentinels();
    for (const auto& [id, token] : of_files_) by_id_[id] = token;
    number_tokens();
    finish();
    return std::move(out_);
  }

 private:
  // A special token; one that a file has as an object says its flags.
  struct Named {
    AddedToken token;
    bool has_flags = false;
  };

  Named read_token(const JsonFile& file, const std::string& key, const Json& value) const {
    if (value.is_string()) return {{.content = value.get<std::string>()}};
    const auto content =
        value.is_object() ? file.get<std::string>(value, "content", "a string") : std::nullopt;
    if (!content) file.fail(key, "a token", value);
    if (file.get_bool(value, "single_word").value_or(false))
      file.fail(key + ".single_word", "false", true, "SentencePiece's tokens stand anywhere");
    return {{.content = *content,
             .lstrip = file.get_bool(value, "lstrip").value_or(false),
             .rstrip = file.get_bool(value, "rstrip").value_or(false)},
            /*has_flags=*/true};
  }

  void read_names(const JsonFile& file, bool is_map) {
    for (const char* key : kNames) {
      const auto value = file.json.find(key);
      if (value == file.json.end()) continue;
      if (!value->is_null()) {
        named_[key] = read_token(file, key, *value);
      } else if (kDefaults.contains(key)) {
        file.fail(key, "a token", *value);
      }
    }
    const Json& extra = file.json.value("extra_special_tokens", Json());
    if (!extra.is_array() && !extra.is_null() && !extra.empty())
      file.fail("extra_special_tokens", "a list", extra, "write additional_special_tokens");
    const char* key =
        extra.empty() || file.json.contains(kAdditional) ? kAdditional : "extra_special_tokens";
    if (file.json.value(key, Json()).is_null()) return;
    if (!additional_) additional_.emplace();
    for (const Json& value : file.list(file.json, key)) {
      Named named = read_token(file, key, value);
      const auto is_same = [&](const Named& other) {
        return !other.has_flags && other.token.content == named.token.content;
      };
      if (is_map && !named.has_flags && std::ranges::any_of(*additional_, is_same)) continue;
      if (additional_->size() == kMaxT5Tokens)
        file.fail(key, "at most " + std::to_string(kMaxT5Tokens) + " tokens", "more");
      additional_->push_back(std::move(named));
    }
  }

  void read_decoder(const JsonFile& file) {
    for (const auto& [id, token] : file.object(file.json, "added_tokens_decoder").items()) {
      const bool is_number = !id.empty() && id.size() < 10 &&
                             std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; });
      if (!is_number) file.fail("added_tokens_decoder", "ids as keys", id);
      const std::string key = "added_tokens_decoder." + id;
      if (!token.is_object()) file.fail(key, "an object", token);
      claim(file, key, std::stoi(id), read_token(file, key, token).token, /*of_name=*/true);
    }
  }

  void read_added(const JsonFile& file) {
    file.read_ids(file.json, "the file", [&](const std::string& content, int32_t id) {
      claim(file, plain(content), id, {.content = content}, /*of_name=*/false);
    });
  }

  void read_tokenizer(const JsonFile& file) {
    for (const Json& token : file.list(file.json, "added_tokens")) {
      if (!token.is_object()) file.fail("added_tokens", "a list of objects", token);
      const auto id = file.get<int32_t>(token, "id", "an id of 0 or more");
      if (!id) file.fail("added_tokens", "an id in each object", token);
      claim(file, "added_tokens", *id, read_token(file, "added_tokens", token).token,
            /*of_name=*/true);
    }
  }

  // A token whose id a file says. `of_name`: what is named like it has its flags.
  void claim(const JsonFile& file, const std::string& key, int32_t id, AddedToken token,
             bool of_name) {
    if (of_files_.size() == kMaxT5Tokens)
      file.fail(key, "at most " + std::to_string(kMaxT5Tokens) + " added tokens", "more");
    if (of_name) flags_[token.content] = token;
    of_files_[id] = std::move(token);
  }

  // The sentinels that no list names are additional special tokens. Their ids fall from the last
  // one, and they take the white space around them.
  void add_sentinels() {
    int32_t listed = 0;
    if (additional_) {
      for (const Named& named : *additional_)
        listed += named.token.content.find(kSentinel) != std::string::npos;
    } else {
      additional_.emplace();
      for (listed = 0; listed < out_.extra_ids; ++listed)
        additional_->push_back({{.content = sentinel(listed)}});
    }
    if (listed > 0 && listed != out_.extra_ids) {
      throw UserError(files_.path(kTokenizerConfig) +
                      ": extra_ids: expected the number of <extra_id_...> among the "
                      "additional_special_tokens, " +
                      std::to_string(listed) + ", got " + std::to_string(out_.extra_ids) +
                      "; make them equal");
    }
    for (int32_t i = 0; i < listed; ++i) {
      by_id_[num_pieces_ - 1 + out_.extra_ids - i] = {
          .content = sentinel(i), .lstrip = true, .rstrip = true};
    }
    if (listed > 0) return;
    for (int32_t i = 0; i < out_.extra_ids; ++i) additional_->push_back({{.content = sentinel(i)}});
  }

  // Gives special tokens their ids as transformers does: those of the vocabulary or of the files,
  // others behind all.
  void number_tokens() {
    for (const auto& [id, token] : by_id_) ids_[token.content] = id;
    std::set<std::string> contents;
    for (const auto& [piece, id] : vocabulary_)
      if (!by_id_.contains(id)) contents.insert(piece);
    for (const auto& [content, id] : ids_) contents.insert(content);
    auto next = static_cast<int32_t>(contents.size());
    const auto add = [&](const Named& named, bool must_be_known) {
      const std::string& content = named.token.content;
      if (content.empty() || (!named.has_flags && ids_.contains(content))) return;
      int32_t id = next;
      if (const auto known = ids_.find(content); known != ids_.end()) {
        id = known->second;
      } else if (const auto piece = vocabulary_.find(content);
                 piece != vocabulary_.end() && !by_id_.contains(piece->second)) {
        id = piece->second;
      } else if (must_be_known) {
        return;  // refused by the constructor
      } else {
        ++next;
      }
      by_id_[id] = named.token;
      ids_[content] = id;
    };
    for (const char* key : kNames) {
      const bool is_needed = kDefaults.contains(key);
      const auto found = named_.find(key);
      if (!is_needed && found == named_.end()) continue;
      Named named = found == named_.end() ? Named{{.content = kDefaults.at(key)}} : found->second;
      if (const auto flags = flags_.find(named.token.content); flags != flags_.end())
        named = {flags->second, true};
      named.has_flags |= is_needed;  // T5Tokenizer makes tokens of these
      add(named, is_needed);
      named_[key] = named;
      if (!is_needed) out_.other_special.push_back(named.token.content);
    }
    for (const Named& named : *additional_) {
      add(named, false);
      out_.additional.push_back(named.token.content);
    }
  }

  void finish() {
    out_.names.sep = named_["eos_token"].token.content;
    out_.names.pad = named_["pad_token"].token.content;
    out_.names.unk = named_["unk_token"].token.content;
    for (const auto& [content, id] : ids_) {
      AddedToken token = by_id_[id];
      token.content = content;
      token.id = id;
      out_.added.push_back(std::move(token));
    }
  }

  TokenizerFiles& files_;
  std::map<std::string, int32_t> vocabulary_;
  int32_t num_pieces_;
  std::map<std::string, Named> named_;
  std::optional<std::vector<Named>> additional_;
  // Tokens with the ids that files say, and the flags that files give tokens.
  std::map<int32_t, AddedToken> of_files_;
  std::map<std::string, AddedToken> flags_;
  // All added tokens.
  std::map<int32_t, AddedToken> by_id_;
  std::map<std::string, int32_t> ids_;
  T5Tokens out_;
};

}  // namespace

T5Tokens read_t5_tokens(TokenizerFiles& files, const std::vector<std::string>& pieces) {
  return T5TokenReader(files, pieces).read();
}

}  // namespace lait
