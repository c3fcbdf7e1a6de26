// WordPiece: cutting normalised text into words and words into pieces.
#include "lait/text/wordpiece/wordpiece.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/json.h"
#include "lait/text/wordpiece/characters.h"

namespace lait {
namespace {

enum class WordClass : uint8_t { kLetter, kSpace, kPunctuation };

WordClass classify(char32_t c) {
  if (is_bert_space(c)) return WordClass::kSpace;
  return is_bert_punctuation(c) ? WordClass::kPunctuation : WordClass::kLetter;
}

const std::array<WordClass, 128>& ascii_classes() {
  static const std::array<WordClass, 128> table = [] {
    std::array<WordClass, 128> made;
    for (unsigned c = 0; c < made.size(); ++c) made[c] = classify(c);
    return made;
  }();
  return table;
}

}  // namespace

WordPiece::WordPiece(WordPieceSpec spec)
    : spec_(std::move(spec)), vocabulary_(spec_.entries), normalizer_(spec_.normalizer) {
  unk_id_ = required_id(spec_.unk_token, "unk_token");
  cls_id_ = required_id(spec_.cls_token, "cls_token");
  sep_id_ = required_id(spec_.sep_token, "sep_token");
  required_id(spec_.pad_token, "pad_token");  // for transformers, which pads; no row here is a pad
  continuing_node_ = vocabulary_.walk(Vocabulary::kRoot, spec_.continuing_prefix);
  vocab_size_ = vocabulary_.size();

  std::vector<AddedToken> plain, normalized;
  for (AddedToken& token : spec_.added_tokens) {
    vocab_size_ = std::max(vocab_size_, token.id + 1);
    if (token.normalized) {
      std::string content;
      normalizer_.normalize(token.content, content);
      token.content = content;
      normalized.push_back(std::move(token));
    } else {
      plain.push_back(std::move(token));
    }
  }
  add_special(plain);
  added_ = AddedTokens(std::move(plain));
  added_normalized_ = AddedTokens(std::move(normalized));
  spec_.added_tokens.clear();
  spec_.entries.clear();
  spec_.entries.shrink_to_fit();
}

// The five special tokens, where the vocabulary has them and they are not among the added ones already.
void WordPiece::add_special(std::vector<AddedToken>& tokens) {
  for (const std::string* content : {&spec_.unk_token, &spec_.cls_token, &spec_.sep_token,
                                     &spec_.pad_token, &spec_.mask_token}) {
    const int32_t id = vocabulary_.find(*content);
    const bool known = std::any_of(tokens.begin(), tokens.end(), [&](const AddedToken& token) {
      return token.content == *content;
    });
    if (id != Vocabulary::kAbsent && !known) tokens.push_back({.content = *content, .id = id});
  }
}

int32_t WordPiece::required_id(const std::string& token, const char* name) const {
  int32_t id = vocabulary_.find(token);
  for (const AddedToken& added : spec_.added_tokens) {
    if (id == Vocabulary::kAbsent && added.content == token) id = added.id;
  }
  if (id == Vocabulary::kAbsent) {
    const std::string shown = quote(token);
    throw UserError(spec_.where + ": expected the token " + shown.substr(1, shown.size() - 2) +
                    " (" + name +
                    "), but it is not in the vocabulary; name the vocabulary's own token in "
                    "tokenizer_config.json, or "
                    "give the model directory a complete vocab.txt or tokenizer.json");
  }
  return id;
}

void WordPiece::encode(std::string_view text, std::vector<int32_t>& out) const {
  for (size_t begin = 0; begin < text.size();) {
    const AddedTokens::Found found = added_.find(text, begin);
    encode_piece(text.substr(begin, found.begin - begin), out);
    if (found.begin == text.size()) break;
    out.push_back(found.id);
    begin = found.end;
  }
}

void WordPiece::encode_piece(std::string_view text, std::vector<int32_t>& out) const {
  constexpr size_t kKeptBytes = size_t{1} << 20;
  thread_local std::string normalized;
  normalized.clear();
  normalizer_.normalize(text, normalized);
  const std::string_view view = normalized;
  if (added_normalized_.empty()) {
    encode_words(view, out);
  } else {
    for (size_t begin = 0; begin < view.size();) {
      const AddedTokens::Found found = added_normalized_.find(view, begin);
      encode_words(view.substr(begin, found.begin - begin), out);
      if (found.begin == view.size()) break;
      out.push_back(found.id);
      begin = found.end;
    }
  }
  if (normalized.capacity() > kKeptBytes) std::string().swap(normalized);
}

void WordPiece::encode_words(std::string_view normalized, std::vector<int32_t>& out) const {
  const std::array<WordClass, 128>& ascii = ascii_classes();
  const auto* bytes = reinterpret_cast<const uint8_t*>(normalized.data());
  const size_t length = normalized.size();
  size_t word_begin = 0, num_chars = 0;
  for (size_t i = 0; i < length;) {
    const size_t begin = i;
    WordClass word_class;
    if (bytes[i] < 0x80) {
      word_class = ascii[bytes[i++]];
    } else {
      UChar32 c;
      U8_NEXT_UNSAFE(bytes, i, c);
      word_class = classify(static_cast<char32_t>(c));
    }
    if (word_class == WordClass::kLetter) {
      if (num_chars++ == 0) word_begin = begin;
      continue;
    }
    if (num_chars != 0)
      encode_word(normalized.substr(word_begin, begin - word_begin), num_chars, out);
    num_chars = 0;
    if (word_class == WordClass::kPunctuation)
      encode_word(normalized.substr(begin, i - begin), 1, out);
  }
  if (num_chars != 0) encode_word(normalized.substr(word_begin), num_chars, out);
}

void WordPiece::encode_word(std::string_view word, size_t num_chars,
                            std::vector<int32_t>& out) const {
  const size_t size_before = out.size();
  if (num_chars <= static_cast<size_t>(spec_.max_chars_per_word)) {
    uint32_t node = Vocabulary::kRoot;
    while (!word.empty() && node != Vocabulary::kNoNode) {
      const Vocabulary::Match match = vocabulary_.longest_match(node, word);
      if (match.id == Vocabulary::kAbsent) break;
      out.push_back(match.id);
      word.remove_prefix(match.length);
      node = continuing_node_;
    }
    if (word.empty()) return;
  }
  out.resize(size_before);
  out.push_back(unk_id_);
}

void WordPiece::save(const std::filesystem::path& dir) const {
  for (const auto& [name, content] : spec_.files) write_file(dir / name, content);
}

}  // namespace lait
