#include "lait/text/sentencepiece/model_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "lait/base/error.h"
#include "lait/text/tokenizer_files.h"
#include "lait/text/utf8.h"

namespace lait {
namespace {

static_assert(std::endian::native == std::endian::little,
              "protobuf's numbers are read as they lie");

[[noreturn]] void fail(const std::string& where, const std::string& problem) {
  throw UserError(where + ": " + problem + "; use the file that came with the model");
}

// A field of a protobuf message: a varint, or bytes (those of numbers, too).
struct Field {
  uint64_t number = 0;
  uint32_t wire_type = 0;
  uint64_t varint = 0;
  std::string_view bytes = {};
};
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Reads the fields of a message in their order.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t tag = varint();
    Field field{.number = tag >> 3, .wire_type = static_cast<uint32_t>(tag & 7)};
    switch (field.wire_type) {
      case kVarint:
        field.varint = varint();
        break;
      case kFixed64:
        field.bytes = take(8);
        break;
      case kBytes:
        field.bytes = take(varint());
        break;
      case kFixed32:
        field.bytes = take(4);
        break;
      default:
        damaged();
    }
    if (field.number == 0) damaged();
    return field;
  }

 private:
  [[noreturn]] void damaged() const {
    fail(where_, "expected a SentencePiece model, got a file that is none or is damaged");
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (rest_.empty()) damaged();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    damaged();
  }
  std::string_view take(uint64_t size) {
    if (size > rest_.size()) damaged();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  const std::string& where_;
};

std::string checked_piece(std::string_view message, size_t id, const std::string& where) {
  // Longer ones would make the search for pieces slow.
  constexpr size_t kMaxPieceBytes = 1000;
  std::string_view piece;
  Message fields(message, where);
  while (const auto field = fields.next()) {
    if (field->number == 1 && field->wire_type == kBytes) piece = field->bytes;
    if (field->number != 2 || field->wire_type != kFixed32) continue;
    float score = 0;
    std::memcpy(&score, field->bytes.data(), sizeof(score));
    if (!std::isfinite(score))
      fail(where, "piece " + std::to_string(id) + ": expected a finite score, got none");
  }
  if (piece.empty() || piece.size() > kMaxPieceBytes || !is_valid_utf8(piece) ||
      piece.find('\0') != piece.npos) {
    fail(where, "piece " + std::to_string(id) + ": expected 1 to " +
                    std::to_string(kMaxPieceBytes) + " bytes of UTF-8 without NUL, got " +
                    shortened("'" + plain(piece.substr(0, kMaxPieceBytes)) + "'"));
  }
  return std::string(piece);
}

// The normaliser's table of replacements (precompiled_charsmap): the size of a trie in bytes, the
// trie (a Darts double array of 32-bit units), and the replacements, each ended by NUL.
class Charsmap {
 public:
  Charsmap(std::string_view bytes, const std::string& where) : where_(where) {
    uint32_t trie_bytes = 0;
    if (bytes.size() <= sizeof(trie_bytes)) damaged();
    std::memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
    bytes.remove_prefix(sizeof(trie_bytes));
    if (trie_bytes >= bytes.size() || trie_bytes == 0 || trie_bytes % sizeof(uint32_t) != 0)
      damaged();
    units_.resize(trie_bytes / sizeof(uint32_t));
    matches_.resize(units_.size(), kUnseen);
    std::memcpy(units_.data(), bytes.data(), trie_bytes);
    texts_ = bytes.substr(trie_bytes);
    if (texts_.back() != '\0') damaged();
  }

  // Visits every node that a search can reach, as Darts::DoubleArray does.
  void check() {
    struct Visit {
      size_t node, children;
      uint32_t next_byte;
    };
    std::vector<Visit> open;
    const auto enter = [&](size_t node) {
      const uint32_t unit = units_[node];
      const size_t children = node ^ ((unit >> 10) << ((unit & (1u << 9)) >> 6));
      if ((children | 0xFF) >= units_.size()) damaged();
      matches_[node] = kOpen;
      open.push_back({node, children, 0});
    };
    enter(0);
    while (!open.empty()) {
      Visit& visit = open.back();
      const size_t node = visit.node;
      if (visit.next_byte < 256) {
        const uint32_t byte = visit.next_byte++;
        const size_t child = visit.children ^ byte;
        if ((units_[child] & 0x800000FF) != byte) continue;
        if (matches_[child] == kOpen) damaged();  // a search could go in circles
        if (matches_[child] == kUnseen) enter(child);
        continue;
      }
      int most = 0;
      for (uint32_t byte = 0; byte < 256; ++byte) {
        const size_t child = visit.children ^ byte;
        if ((units_[child] & 0x800000FF) == byte) most = std::max(most, int{matches_[child]});
      }
      if (node != 0 && (units_[node] & (1u << 8)) != 0) {
        ++most;
        check_text(units_[visit.children] & 0x7FFFFFFF);
      }
      // The library keeps the matches of one search in an array of 32.
      if (most > 32) damaged();
      matches_[node] = static_cast<int8_t>(most);
      open.pop_back();
    }
  }

 private:
  [[noreturn]] void damaged() const {
    fail(where_, "expected a normaliser's table (precompiled_charsmap), got a damaged one");
  }
  void check_text(size_t begin) const {
    // No character may become a long text; NFKC's longest has 33 bytes.
    constexpr size_t kMaxTextBytes = 256;
    if (begin >= texts_.size()) damaged();
    const size_t size = texts_.find('\0', begin) - begin;
    if (size > kMaxTextBytes || !is_valid_utf8(texts_.substr(begin, size))) damaged();
  }

  const std::string& where_;
  std::vector<uint32_t> units_;
  // The most matches that a search has at and behind each node, or one of these.
  static constexpr int8_t kUnseen = -1, kOpen = -2;
  std::vector<int8_t> matches_;
  std::string_view texts_;
};

void check_normalizer(std::string_view message, const std::string& where) {
  Message fields(message, where);
  while (const auto field = fields.next()) {
    if (field->number == 2 && field->wire_type == kBytes && !field->bytes.empty())
      Charsmap(field->bytes, where).check();
  }
}

void check_trainer(std::string_view message, const std::string& where) {
  Message fields(message, where);
  while (const auto field = fields.next()) {
    constexpr const char* kTypes[] = {"BPE", "WORD", "CHAR"};
    if (field->number == 3 && field->wire_type == kVarint && field->varint >= 2 &&
        field->varint <= 4) {
      throw UserError(where + ": trainer_spec.model_type: expected UNIGRAM, T5's, got " +
                      kTypes[field->varint - 2] + "; use a checkpoint of T5");
    }
  }
}

}  // namespace

std::vector<std::string> checked_pieces(std::string_view model, const std::string& where) {
  std::vector<std::string> pieces;
  Message fields(model, where);
  while (const auto field = fields.next()) {
    if (field->wire_type != kBytes) continue;
    if (field->number == 1) pieces.push_back(checked_piece(field->bytes, pieces.size(), where));
    if (field->number == 2) check_trainer(field->bytes, where);
    // That of texts and that of decoded texts.
    if (field->number == 3 || field->number == 5) check_normalizer(field->bytes, where);
  }
  if (pieces.empty() || pieces.size() > kMaxVocabulary)
    fail(where, "expected 1 to " + std::to_string(kMaxVocabulary) + " pieces, got " +
                    std::to_string(pieces.size()));
  return pieces;
}

std::string without_dummy_prefix(std::string model) {
  // Of a message that comes twice, the second one's fields hold: normalizer_spec (3), of 2 bytes,
  // with add_dummy_prefix (3) = false.
  return std::move(model.append("\x1A\x02\x18\x00", 4));
}

}  // namespace lait
