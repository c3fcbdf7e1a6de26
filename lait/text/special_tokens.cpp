// Reading special and added tokens.
#include "lait/text/special_tokens.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "lait/base/error.h"

namespace lait {
namespace {

using Json = JsonFile::Json;

// A search for added tokens compares all of them.
constexpr size_t kMaxAddedTokens = 10000;

// In the order in which transformers adds them.
constexpr std::array<const char*, 7> kNamed = {"bos_token", "eos_token", "unk_token", "sep_token",
                                               "pad_token", "cls_token", "mask_token"};

constexpr std::array<std::string_view, 4> kNeeded = {"unk_token", "sep_token", "pad_token",
                                                     "cls_token"};

// A token, the id that a file claims for it (kNoToken: none) and where it does.
struct Claim {
  AddedToken token;
  const JsonFile* file;
  std::string key;
};

// What an object says of a token, but for its id.
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

bool same_flags(const AddedToken& a, const AddedToken& b) {
  return a.single_word == b.single_word && a.lstrip == b.lstrip && a.rstrip == b.rstrip &&
         a.normalized == b.normalized;
}

class Reader {
 public:
  Reader(TokenizerFiles& files, const SpecialTokenRules& rules) : files_(files), rules_(rules) {}

  SpecialTokenFiles read() {
    const std::optional<JsonFile>& config = files_.config();
    const bool has_decoder = config && config->json.contains("added_tokens_decoder");
    if (config) read_names(*config, /*is_map=*/false);
    if (files_.special_tokens_map() && !has_decoder)
      read_names(*files_.special_tokens_map(), /*is_map=*/true);
    if (has_decoder) {
      read_decoder(*config);
    } else if (files_.added_tokens()) {
      read_added(*files_.added_tokens());
    }
    std::ranges::stable_sort(claims_, {}, [](const Claim& claim) { return claim.token.id; });
    if (files_.tokenizer()) read_tokenizer(*files_.tokenizer(), has_decoder);
    if (!rules_.is_generic)
      std::ranges::stable_sort(claims_, {}, [](const Claim& claim) { return claim.token.id; });
    more_.insert(more_.end(), more_of_map_.begin(), more_of_map_.end());
    choose_names();
    for (const Claim& claim : claims_) add(claim.token, &claim);
    for (const char* key : kNamed) {
      // A vocabulary without these is refused; transformers would add them, without a row of the
      // model's table.
      const bool is_needed = std::ranges::find(kNeeded, key) != kNeeded.end();
      if (!is_needed || rules_.find(named_[key].content) != kNoToken) add(named_[key]);
    }
    for (const auto& [key, token] : of_model_) add(token);
    for (const AddedToken& token : more_) add(token);
    return std::move(out_);
  }

 private:
  std::optional<AddedToken> token_of(const JsonFile& file, const std::string& key,
                                     const Json& value) const {
    if (value.is_object()) return read_token(file, value, /*special_by_default=*/true);
    if (!value.is_string()) file.fail(key, "a token", value);
    return AddedToken{.content = value.get<std::string>()};
  }

  // "cls_token": "[CLS]" or {"content": "[CLS]", ...}; "additional_special_tokens": [...].
  void read_names(const JsonFile& file, bool is_map) {
    for (const auto& [key, value] : file.json.items()) {
      if (!key.ends_with("_token")) continue;
      const bool is_named = std::ranges::find(kNamed, key) != kNamed.end();
      if (value.is_null() && is_named) none_.insert(key);
      if (value.is_null() || (!is_named && !value.is_string())) continue;
      const auto token = token_of(file, key, value);
      if (!token) continue;
      none_.erase(key);
      (is_named ? named_ : of_model_)[key] = *token;
    }
    const auto extra = file.json.find("extra_special_tokens");
    if (extra != file.json.end() && extra->is_object()) {
      for (const auto& [key, value] : extra->items()) {
        if (const auto token = token_of(file, "extra_special_tokens." + plain(key), value))
          of_model_[key] = *token;
      }
    } else if (extra != file.json.end() && !extra->empty()) {
      read_more(file, "extra_special_tokens", more_);
      has_extra_ = true;
      return;
    }
    // transformers reads them only where nothing says extra_special_tokens, and those of the map
    // too late for added_tokens.json.
    if (has_extra_ || !file.json.contains("additional_special_tokens")) return;
    has_extra_ = !is_map;
    read_more(file, "additional_special_tokens", is_map ? more_of_map_ : more_);
  }

  void read_more(const JsonFile& file, const char* key, std::vector<AddedToken>& out) {
    for (const Json& value : file.list(file.json, key)) {
      if (out.size() == kMaxAddedTokens)
        file.fail(key, "a list of at most 10000 tokens", file.json[key]);
      if (auto token = token_of(file, key, value)) out.push_back(std::move(*token));
    }
  }

  void read_decoder(const JsonFile& file) {
    for (const auto& [id, token] : file.object(file.json, "added_tokens_decoder").items()) {
      const bool is_number = !id.empty() && id.size() < 10 &&
                             std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; });
      if (!is_number) file.fail("added_tokens_decoder", "ids as keys", id);
      if (!token.is_object()) file.fail("added_tokens_decoder." + plain(id), "an object", token);
      claim(file, "added_tokens_decoder." + id, token, std::stoi(id));
    }
  }

  void read_added(const JsonFile& file) {
    if (file.json.size() > kMaxAddedTokens) file.fail("the file", "at most 10000 tokens", "more");
    std::set<std::string> special;
    for (const auto& [key, token] : named_) special.insert(token.content);
    for (const AddedToken& token : more_) special.insert(token.content);
    file.read_ids(file.json, "the file", [&](const std::string& content, int32_t id) {
      AddedToken token;
      token.content = content;
      token.id = id;
      token.normalized = !special.contains(content);
      claims_.push_back({std::move(token), &file, plain(content)});
    });
  }

  void claim(const JsonFile& file, const std::string& key, const Json& token, int32_t id) {
    if (claims_.size() == kMaxAddedTokens)
      throw UserError(file.path + ": " + key + ": expected at most " +
                      std::to_string(kMaxAddedTokens) + " added tokens, got more");
    auto read = read_token(file, token, /*special_by_default=*/false);
    if (!read) file.fail(key, "a content in each object", token);
    read->id = id;
    claims_.push_back({std::move(*read), &file, key});
  }

  // Its tokens come first: the generic class has them before it reads another file.
  void read_tokenizer(const JsonFile& file, bool has_decoder) {
    std::vector<Claim> others;
    others.swap(claims_);
    std::map<std::string_view, const Claim*> by_content;
    for (const Claim& other : others) by_content.emplace(other.token.content, &other);
    std::set<std::string> contents;
    for (const Json& token : file.list(file.json, "added_tokens")) {
      if (!token.is_object()) file.fail("added_tokens", "a list of objects", token);
      const auto id = file.get<int32_t>(token, "id", "an id of 0 or more");
      if (!id) file.fail("added_tokens", "an id in each object", token);
      claim(file, "added_tokens", token, *id);
      const AddedToken& added = claims_.back().token;
      contents.insert(added.content);
      if (!has_decoder) continue;
      const auto other = by_content.find(added.content);
      if (other != by_content.end() && !same_flags(added, other->second->token)) {
        file.fail("added_tokens", "what tokenizer_config.json says of " + plain(added.content),
                  token, "make single_word, lstrip, rstrip and normalized equal in both");
      }
      if (other == by_content.end() && !rules_.is_generic && !is_named(added.content)) {
        file.fail("added_tokens",
                  "the tokens of tokenizer_config.json's added_tokens_decoder, which decides",
                  token, "add the token there, or remove it here");
      }
    }
    for (Claim& other : others) {
      if (!contents.contains(other.token.content)) claims_.push_back(std::move(other));
    }
  }

  bool is_named(const std::string& content) const {
    const auto is = [&](const AddedToken& token) { return token.content == content; };
    const auto value_is = [&](const auto& named) { return is(named.second); };
    return std::ranges::any_of(named_, value_is) || std::ranges::any_of(of_model_, value_is) ||
           std::ranges::any_of(more_, is);
  }

  void choose_names() {
    const auto known = [&](const std::string& candidate) {
      return rules_.find(candidate) != kNoToken ||
             std::ranges::any_of(
                 claims_, [&](const Claim& claim) { return claim.token.content == candidate; });
    };
    const auto choose = [&](const char* key, const std::vector<std::string>& candidates) {
      if (const auto named = named_.find(key); named != named_.end()) return named->second.content;
      const auto found = std::ranges::find_if(candidates, known);
      const bool is_known = found != candidates.end();
      const std::string& chosen = is_known ? *found : candidates.front();
      if (is_known && !rules_.is_generic) named_[key] = {.content = chosen};
      return chosen;
    };
    out_.names = {.cls = choose("cls_token", rules_.cls),
                  .sep = choose("sep_token", rules_.sep),
                  .pad = choose("pad_token", rules_.pad),
                  .unk = choose("unk_token", rules_.unk),
                  .mask = none_.contains("mask_token") ? "" : choose("mask_token", rules_.mask)};
    if (const auto mask = named_.find("mask_token"); mask != named_.end())
      mask->second.lstrip |= rules_.mask_lstrip;
  }

  // Adds a token under the id that transformers gives it. `claim`: null where no file claims one.
  void add(AddedToken token, const Claim* claim = nullptr) {
    if (token.content.empty() || !contents_.insert(token.content).second) return;
    const int32_t of_vocabulary = rules_.find(token.content);
    const int32_t next = std::max(static_cast<int32_t>(rules_.vocabulary_size), last_id_ + 1);
    const int32_t id = of_vocabulary != kNoToken ? of_vocabulary : next;
    if (claim != nullptr && id != token.id) {
      claim->file->fail(
          claim->key,
          "the id " + std::to_string(id) + " for " + plain(token.content) +
              (of_vocabulary != kNoToken ? ", as in the vocabulary" : ", the next one"),
          token.id, "transformers numbers added tokens so, whatever the file says");
    }
    token.id = id;
    last_id_ = std::max(last_id_, id);
    out_.added.push_back(std::move(token));
  }

  TokenizerFiles& files_;
  const SpecialTokenRules& rules_;
  // By their keys: special tokens, and those that only this model has ("entity_token").
  std::map<std::string, AddedToken> named_, of_model_;
  // Keys that are null.
  std::set<std::string> none_;
  // extra_special_tokens and additional_special_tokens.
  std::vector<AddedToken> more_, more_of_map_;
  bool has_extra_ = false;
  std::vector<Claim> claims_;
  // The contents of out_.added, and their largest id.
  std::set<std::string> contents_;
  int32_t last_id_ = kNoToken;
  SpecialTokenFiles out_;
};

}  // namespace

int32_t token_id(const std::string& name, const FindToken& find,
                 const std::vector<AddedToken>& added) {
  if (name.empty()) return kNoToken;
  const int32_t id = find(name);
  if (id != kNoToken) return id;
  const auto token = std::ranges::find(added, name, &AddedToken::content);
  return token == added.end() ? kNoToken : token->id;
}

SpecialTokenFiles read_special_tokens(TokenizerFiles& files, const SpecialTokenRules& rules) {
  return Reader(files, rules).read();
}

}  // namespace lait
