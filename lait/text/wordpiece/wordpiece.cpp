// WordPiece: splitting normalised text into words and words into pieces.
#include "lait/text/wordpiece/wordpiece.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <array>

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
    std::array<WordClass, 128> classes;
    for (unsigned c = 0; c < classes.size(); ++c) classes[c] = classify(c);
    return classes;
  }();
  return table;
}

// Where tokens go. The positions of a word's tokens are bytes of the normalised text.
struct WordPieceIds {
  std::vector<int32_t>& ids;

  void normalize(const BertNormalizer& normalizer, std::string_view text, std::string& out) {
    normalizer.normalize(text, out);
  }
  void add(int32_t id, size_t, size_t) { ids.push_back(id); }
  void add_normalized(int32_t id, size_t, size_t, std::string_view) { ids.push_back(id); }
  void add_whole(int32_t id, size_t, size_t) { ids.push_back(id); }
  size_t size() const { return ids.size(); }
  void shrink(size_t size) { ids.resize(size); }
};

struct WordPieceRanges {
  std::string_view text;
  const TrimOffsets& trim;
  std::vector<int32_t>& ids;
  std::vector<ByteRange>& ranges;
  // The index of the text's first token.
  size_t first = ids.size();
  // Of the piece: where it begins in the text, and the range of each byte of the normalised piece.
  int32_t shift = 0;
  std::vector<ByteRange> bytes{};

  void normalize(const BertNormalizer& normalizer, std::string_view piece, std::string& out) {
    shift = static_cast<int32_t>(piece.data() - text.data());
    bytes.clear();
    normalizer.normalize(piece, out, bytes);
  }
  // A token of a word.
  void add(int32_t id, size_t begin, size_t end) {
    ids.push_back(id);
    ranges.push_back({shift + bytes[begin].begin, shift + bytes[end - 1].end});
  }
  // An added token of the normalised text.
  void add_normalized(int32_t id, size_t begin, size_t end, std::string_view token) {
    const bool is_first = ids.size() == first;
    add(id, begin, end);
    trim_range(text, trim, token_space(token), is_first, ranges.back());
  }
  // An added token of the text itself.
  void add_whole(int32_t id, size_t begin, size_t end) {
    const bool is_first = ids.size() == first;
    ids.push_back(id);
    ranges.push_back({static_cast<int32_t>(begin), static_cast<int32_t>(end)});
    trim_range(text, trim, token_space(text.substr(begin, end - begin)), is_first, ranges.back());
  }
  size_t size() const { return ids.size(); }
  void shrink(size_t size) {
    ranges.resize(ranges.size() - (ids.size() - size));
    ids.resize(size);
  }
};

}  // namespace

WordPiece::WordPiece(const WordPieceSpec& spec)
    : FileTokenizer(spec),
      vocabulary_(spec.entries),
      normalizer_(spec.normalizer),
      max_chars_per_word_(static_cast<size_t>(spec.max_chars_per_word)),
      continuing_node_(vocabulary_.walk(Vocabulary::kRoot, spec.continuing_prefix)) {
  const auto normalize = [&](const std::string& content) {
    std::string normalized;
    normalizer_.normalize(content, normalized);
    return normalized;
  };
  set_words({.find = [&](std::string_view token) { return vocabulary_.find(token); },
             .size = vocabulary_.size(),
             .needs = {.unk = true},
             .normalize = normalize});
}

void WordPiece::encode(std::string_view text, std::vector<int32_t>& out) const {
  WordPieceIds sink{out};
  encode_text(text, sink);
}

void WordPiece::encode(std::string_view text, std::vector<int32_t>& out,
                       std::vector<ByteRange>& ranges) const {
  WordPieceRanges sink{text, trim_offsets_, out, ranges};
  encode_text(text, sink);
}

template <class Sink>
void WordPiece::encode_text(std::string_view text, Sink& sink) const {
  added_.split(
      text, [&](size_t begin, size_t end) { encode_piece(text.substr(begin, end - begin), sink); },
      [&](size_t begin, size_t end, int32_t id) { sink.add_whole(id, begin, end); });
}

template <class Sink>
void WordPiece::encode_piece(std::string_view text, Sink& sink) const {
  constexpr size_t kKeptBytes = size_t{1} << 20;
  thread_local std::string normalized;
  normalized.clear();
  sink.normalize(normalizer_, text, normalized);
  const std::string_view view = normalized;
  added_normalized_.split(
      view, [&](size_t begin, size_t end) { encode_words(view, begin, end, sink); },
      [&](size_t begin, size_t end, int32_t id) {
        sink.add_normalized(id, begin, end, view.substr(begin, end - begin));
      });
  if (normalized.capacity() > kKeptBytes) std::string().swap(normalized);
}

template <class Sink>
void WordPiece::encode_words(std::string_view normalized, size_t begin, size_t end,
                             Sink& sink) const {
  const std::array<WordClass, 128>& ascii = ascii_classes();
  const auto* bytes = reinterpret_cast<const uint8_t*>(normalized.data());
  size_t word_begin = 0, num_chars = 0;
  for (size_t i = begin; i < end;) {
    const size_t char_begin = i;
    WordClass word_class;
    if (bytes[i] < 0x80) {
      word_class = ascii[bytes[i++]];
    } else {
      UChar32 c;
      U8_NEXT_UNSAFE(bytes, i, c);
      word_class = classify(static_cast<char32_t>(c));
    }
    if (word_class == WordClass::kLetter) {
      if (num_chars++ == 0) word_begin = char_begin;
      continue;
    }
    if (num_chars != 0) encode_word(normalized, word_begin, char_begin, num_chars, sink);
    num_chars = 0;
    if (word_class == WordClass::kPunctuation) encode_word(normalized, char_begin, i, 1, sink);
  }
  if (num_chars != 0) encode_word(normalized, word_begin, end, num_chars, sink);
}

template <class Sink>
void WordPiece::encode_word(std::string_view normalized, size_t begin, size_t end, size_t num_chars,
                            Sink& sink) const {
  const size_t size_before = sink.size();
  if (num_chars <= max_chars_per_word_) {
    uint32_t node = Vocabulary::kRoot;
    std::string_view rest = normalized.substr(begin, end - begin);
    while (!rest.empty() && node != Vocabulary::kNoNode) {
      const Vocabulary::Match match = vocabulary_.longest_match(node, rest);
      if (match.id == Vocabulary::kAbsent) break;
      const size_t at = end - rest.size();
      sink.add(match.id, at, at + match.length);
      rest.remove_prefix(match.length);
      node = continuing_node_;
    }
    if (rest.empty()) return;
  }
  sink.shrink(size_before);
  sink.add(special_tokens_.unk, begin, end);
}

}  // namespace lait
