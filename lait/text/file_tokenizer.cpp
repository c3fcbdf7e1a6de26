#include "lait/text/file_tokenizer.h"

#include <algorithm>

#include "lait/base/error.h"
#include "lait/text/tokenizer_files.h"

namespace lait {

FileTokenizer::FileTokenizer(const TokenizerSpec& spec)
    : trim_offsets_(spec.trim_offsets),
      where_(spec.where),
      names_(spec.special_tokens),
      tokens_(spec.added_tokens),
      names_are_added_(spec.names_are_added),
      layouts_(spec.layouts),
      no_types_(spec.no_types),
      files_(spec.files) {}

void FileTokenizer::set_words(const Words& words) {
  const auto find = [&](const std::string& name, const char* key, bool is_needed) {
    const int32_t id = token_id(name, words.find, tokens_);
    if (id == kNoToken && is_needed) {
      throw UserError(where_ + ": expected the token " + plain(name) + " (" + key +
                      "), but it is not in the vocabulary; name the vocabulary's own token in "
                      "tokenizer_config.json, or use the complete tokenizer files of the model");
    }
    const auto has_name = [&](const AddedToken& token) { return token.content == name; };
    if (names_are_added_ && id != kNoToken && std::ranges::none_of(tokens_, has_name))
      tokens_.push_back({.content = name, .id = id});
    return id;
  };
  special_tokens_.unk = find(names_.unk, "unk_token", words.needs.unk);
  special_tokens_.cls = find(names_.cls, "cls_token", words.needs.cls);
  special_tokens_.sep = find(names_.sep, words.sep_key, words.needs.sep);
  special_tokens_.pad = find(names_.pad, "pad_token", words.needs.pad);
  special_tokens_.mask = find(names_.mask, "mask_token", false);

  vocab_size_ = words.size;
  std::vector<AddedToken> as_they_are, normalized;
  for (AddedToken& token : tokens_) {
    vocab_size_ = std::max(vocab_size_, token.id + 1);
    if (token.normalized && words.normalize) token.content = words.normalize(token.content);
    (token.normalized ? normalized : as_they_are).push_back(std::move(token));
  }
  added_ = AddedTokens(std::move(as_they_are), words.space);
  added_normalized_ = AddedTokens(std::move(normalized), words.space);
  tokens_.clear();
}

void FileTokenizer::check_layout(const SegmentLayout& layout) const {
  const auto name = [&](int32_t id) {
    for (const auto& [token, name] : {std::pair(special_tokens_.cls, &names_.cls),
                                      {special_tokens_.sep, &names_.sep},
                                      {special_tokens_.pad, &names_.pad},
                                      {special_tokens_.unk, &names_.unk},
                                      {special_tokens_.mask, &names_.mask}}) {
      if (token == id) return plain(*name);
    }
    return std::to_string(id);
  };
  for (const DescribedLayout& described : layouts_) described.check(layout, name);
  if (!no_types_.empty() && layout.second_type != layout.first_type) throw UserError(no_types_);
}

}  // namespace lait
