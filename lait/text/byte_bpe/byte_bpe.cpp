// Byte-level BPE: splitting text into words and words into merged bytes.
#include "lait/text/byte_bpe/byte_bpe.h"

#include <algorithm>

#include "lait/base/error.h"
#include "lait/text/byte_bpe/byte_level.h"
#include "lait/text/utf8.h"

namespace lait {
namespace {

// Where tokens go. A piece is the text between added tokens, behind a space where one is put before
// it; the positions of its tokens are bytes of the piece.
struct ByteBpeIds {
  std::vector<int32_t>& ids;

  void begin_piece(std::string_view, size_t, bool) {}
  void add(int32_t id, size_t, size_t) { ids.push_back(id); }
  void add_added(int32_t id, size_t, size_t) { ids.push_back(id); }
};

struct ByteBpeRanges {
  std::string_view text;
  const TrimOffsets& trim;
  std::vector<int32_t>& ids;
  std::vector<ByteRange>& ranges;
  // The index of the text's first token.
  size_t first = ids.size();
  std::string_view piece{};
  // Where the piece begins in the text, and the length of the space before it.
  size_t piece_begin = 0, prefix = 0;

  void begin_piece(std::string_view with_prefix, size_t begin, bool has_prefix) {
    piece = with_prefix;
    piece_begin = begin;
    prefix = has_prefix ? 1 : 0;
  }
  // A token of a part of a character has the range of the character. The space put before a piece
  // has the range of the character behind it.
  void add(int32_t id, size_t begin, size_t end) {
    const std::string_view token = piece.substr(begin, end - begin);
    const auto num_spaces = [](auto from, auto to) {
      return static_cast<int32_t>(std::find_if(from, to, [](char c) { return c != ' '; }) - from);
    };
    const TokenSpace space{num_spaces(token.begin(), token.end()),
                           num_spaces(token.rbegin(), token.rend())};
    const auto in_text = [&](size_t i) { return piece_begin + std::max(i, prefix) - prefix; };
    const auto is_trail = [&](size_t i) {
      return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    };
    begin = in_text(begin);
    while (is_trail(begin)) --begin;
    end = in_text(end - 1) + 1;
    while (is_trail(end)) ++end;
    add_range(id, begin, end, space);
  }
  void add_added(int32_t id, size_t begin, size_t end) {
    add_range(id, begin, end, token_space(text.substr(begin, end - begin)));
  }

 private:
  void add_range(int32_t id, size_t begin, size_t end, TokenSpace space) {
    ByteRange range{static_cast<int32_t>(begin), static_cast<int32_t>(end)};
    trim_range(text, trim, space, /*is_first=*/ids.size() == first, range);
    ids.push_back(id);
    ranges.push_back(range);
  }
};

std::array<int32_t, 256> find_bytes(const ByteBpeSpec& spec) {
  std::array<int32_t, 256> ids;
  for (size_t byte = 0; byte < ids.size(); ++byte) {
    const auto found = spec.vocabulary.find(byte_level_alphabet()[byte]);
    if (found == spec.vocabulary.end()) {
      throw UserError(spec.where + ": expected a token for each byte, got none for the byte " +
                      std::to_string(byte) + " ('" + byte_level_alphabet()[byte] +
                      "'); use the complete tokenizer files of the model");
    }
    ids[byte] = found->second;
  }
  return ids;
}

}  // namespace

ByteBpe::ByteBpe(const ByteBpeSpec& spec)
    : FileTokenizer(spec),
      add_prefix_space_(spec.add_prefix_space),
      byte_ids_(find_bytes(spec)),
      merges_(spec.merges),
      words_(spec.vocabulary.size()) {
  int32_t size = 0;
  for (const auto& [token, id] : spec.vocabulary) {
    size = std::max(size, id + 1);
    const auto bytes = byte_level_bytes(token);
    if (!bytes || bytes->empty()) continue;
    bool is_word = spec.ignore_merges;
    if (!is_word) {
      const std::vector<Merges::Part>& parts = merges_.apply(*bytes, byte_ids_.data());
      is_word = parts.size() == 1 && parts[0].id == id;
    }
    if (is_word) words_.add(*bytes, id);
  }
  const auto find = [&](std::string_view token) {
    const auto found = spec.vocabulary.find(std::string(token));
    return found == spec.vocabulary.end() ? kNoToken : found->second;
  };
  set_words({.find = find, .size = size});
}

void ByteBpe::encode(std::string_view text, std::vector<int32_t>& out) const {
  ByteBpeIds sink{out};
  if (is_valid_utf8(text)) {
    encode_text(text, sink);
  } else {
    encode_text(replace_invalid_utf8(text, nullptr), sink);
  }
}

void ByteBpe::encode(std::string_view text, std::vector<int32_t>& out,
                     std::vector<ByteRange>& ranges) const {
  const size_t first = ranges.size();
  std::vector<int32_t> origins;
  std::string replaced;
  if (!is_valid_utf8(text)) {
    replaced = replace_invalid_utf8(text, &origins);
    text = replaced;
  }
  ByteBpeRanges sink{text, trim_offsets_, out, ranges};
  encode_text(text, sink);
  if (origins.empty()) return;
  for (size_t i = first; i < ranges.size(); ++i) {
    ranges[i] = {origins[static_cast<size_t>(ranges[i].begin)],
                 origins[static_cast<size_t>(ranges[i].end)]};
  }
}

template <class Sink>
void ByteBpe::encode_text(std::string_view text, Sink& sink) const {
  added_.split(
      text,
      [&](size_t begin, size_t end) {
        added_normalized_.split(
            text.substr(begin, end - begin),
            [&](size_t from, size_t to) { encode_piece(text, begin + from, begin + to, sink); },
            [&](size_t from, size_t to, int32_t id) {
              sink.add_added(id, begin + from, begin + to);
            });
      },
      [&](size_t begin, size_t end, int32_t id) { sink.add_added(id, begin, end); });
}

template <class Sink>
void ByteBpe::encode_piece(std::string_view text, size_t begin, size_t end, Sink& sink) const {
  const std::string_view piece = text.substr(begin, end - begin);
  if (!add_prefix_space_ || piece.starts_with(' ')) {
    sink.begin_piece(piece, begin, /*has_prefix=*/false);
    return encode_words(piece, sink);
  }
  std::string with_space(1, ' ');
  with_space += piece;
  sink.begin_piece(with_space, begin, /*has_prefix=*/true);
  encode_words(with_space, sink);
}

template <class Sink>
void ByteBpe::encode_words(std::string_view piece, Sink& sink) const {
  for (size_t begin = 0; begin < piece.size();) {
    const size_t end = byte_level_word_end(piece, begin);
    const std::string_view word = piece.substr(begin, end - begin);
    const int32_t id = words_.find(word);
    if (id != kNoToken) {
      sink.add(id, begin, end);
    } else {
      for (const Merges::Part& part : merges_.apply(word, byte_ids_.data()))
        sink.add(part.id, begin + part.begin, begin + part.end);
    }
    begin = end;
  }
}

}  // namespace lait
