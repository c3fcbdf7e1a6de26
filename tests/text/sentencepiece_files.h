// The spiece.model of a small SentencePiece tokenizer, for tests, written here as protobuf bytes:
// pieces 0 to 2 are <pad> </s> <unk>, then "▁" "▁hello" "▁world" "he" "l" "o" "w" "." "1" "▁a" "a".
// Its normaliser makes "①" to "1", and "▁" and tabs to spaces.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace lait::sentencepiece_files {

inline std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
  return out;
}

inline std::string bytes_field(uint32_t number, std::string_view bytes) {
  return varint(number << 3 | 2).append(varint(bytes.size())).append(bytes);
}

inline std::string varint_field(uint32_t number, uint64_t value) {
  return varint(number << 3).append(varint(value));
}

// type: 1 normal, 2 unknown, 3 control.
inline std::string piece(std::string_view text, float score, uint32_t type = 1) {
  std::string bits(sizeof(score), '\0');
  std::memcpy(bits.data(), &score, sizeof(score));
  return bytes_field(
      1,
      bytes_field(1, text).append(varint(2 << 3 | 5)).append(bits).append(varint_field(3, type)));
}

// A double array of the keys "①" (E2 91 A0), "▁" (E2 96 81) and "\t", each unit with its label,
// whether it ends a key, and where its children are.
inline std::vector<uint32_t> trie() {
  std::vector<uint32_t> units(2048, 0x80000000u);  // of no label
  const auto put = [&](uint32_t at, uint32_t label, uint32_t children, bool is_leaf) {
    units[at] = label | (is_leaf ? 1u << 8 : 0) | (at ^ children) << 10;
  };
  put(0, 0, 0x100, false);
  put(0x100 ^ 0xE2, 0xE2, 0x200, false);
  put(0x200 ^ 0x91, 0x91, 0x300, false);
  put(0x300 ^ 0xA0, 0xA0, 0x400, true);
  units[0x400] = 0x80000000u | 0;
  put(0x200 ^ 0x96, 0x96, 0x600, false);
  put(0x600 ^ 0x81, 0x81, 0x700, true);
  units[0x700] = 0x80000000u | 2;
  put(0x100 ^ '\t', '\t', 0x500, true);
  units[0x500] = 0x80000000u | 2;
  return units;
}

inline std::string charsmap(const std::vector<uint32_t>& units = trie(),
                            std::string_view texts = std::string_view("1\0 \0", 4)) {
  const auto size = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  std::string out(sizeof(size) + size, '\0');
  std::memcpy(out.data(), &size, sizeof(size));
  std::memcpy(out.data() + sizeof(size), units.data(), size);
  return out.append(texts);
}

inline std::string pieces() {
  std::string out = piece("<pad>", 0, 3) + piece("</s>", 0, 3) + piece("<unk>", 0, 2);
  const char* const normal[] = {"▁", "▁hello", "▁world", "he", "l", "o", "w", ".", "1", "▁a", "a"};
  float score = -2;
  for (const char* text : normal) out += piece(text, score -= 0.25F);
  return out;
}

// trainer_spec: unigram, the ids of unk, bos, eos and pad.
inline std::string trainer() {
  return bytes_field(2, varint_field(3, 1) + varint_field(40, 2) +
                            varint_field(41, static_cast<uint64_t>(-1)) + varint_field(42, 1) +
                            varint_field(43, 0));
}

inline std::string spiece_model(const std::string& map = charsmap()) {
  return pieces() + trainer() + bytes_field(3, bytes_field(1, "test") + bytes_field(2, map));
}

}  // namespace lait::sentencepiece_files
