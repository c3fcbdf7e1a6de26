// GPT-2's pattern written out over ICU's character classes.
#include "lait/text/byte_bpe/byte_level.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>
#include <unicode/uvernum.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace lait {
namespace {

// Letters and numbers of Unicode 15.1 and 16, which ICU 72 does not have; in ascending order.
struct ClassRange {
  char32_t first, last;
  ByteLevelClass character_class;
};
constexpr auto kLetterClass = ByteLevelClass::kLetter, kNumberClass = ByteLevelClass::kNumber;
constexpr ClassRange kSinceUnicode15[] = {
    {0x1C89, 0x1C8A, kLetterClass},   {0xA7CB, 0xA7CD, kLetterClass},
    {0xA7DA, 0xA7DC, kLetterClass},   {0x105C0, 0x105F3, kLetterClass},
    {0x10D40, 0x10D49, kNumberClass}, {0x10D4A, 0x10D65, kLetterClass},
    {0x10D6F, 0x10D85, kLetterClass}, {0x10EC2, 0x10EC4, kLetterClass},
    {0x11380, 0x11389, kLetterClass}, {0x1138B, 0x1138B, kLetterClass},
    {0x1138E, 0x1138E, kLetterClass}, {0x11390, 0x113B5, kLetterClass},
    {0x113B7, 0x113B7, kLetterClass}, {0x113D1, 0x113D1, kLetterClass},
    {0x113D3, 0x113D3, kLetterClass}, {0x116D0, 0x116E3, kNumberClass},
    {0x11BC0, 0x11BE0, kLetterClass}, {0x11BF0, 0x11BF9, kNumberClass},
    {0x13460, 0x143FA, kLetterClass}, {0x16100, 0x1611D, kLetterClass},
    {0x16130, 0x16139, kNumberClass}, {0x16D40, 0x16D6C, kLetterClass},
    {0x16D70, 0x16D79, kNumberClass}, {0x18CFF, 0x18CFF, kLetterClass},
    {0x1CCF0, 0x1CCF9, kNumberClass}, {0x1E5D0, 0x1E5ED, kLetterClass},
    {0x1E5F0, 0x1E5F0, kLetterClass}, {0x1E5F1, 0x1E5FA, kNumberClass},
    {0x2EBF0, 0x2EE5D, kLetterClass},
};

ByteLevelClass class_since_unicode_15(char32_t c) {
  const auto* range = std::lower_bound(
      std::begin(kSinceUnicode15), std::end(kSinceUnicode15), c,
      [](const ClassRange& element, char32_t value) { return element.last < value; });
  const bool inside = range != std::end(kSinceUnicode15) && range->first <= c;
  return inside ? range->character_class : ByteLevelClass::kOther;
}

// Whether a character is newer than Unicode 16, which `tokenizers` (Oniguruma) knows. ICU 78 is the
// first that has such characters.
bool is_newer([[maybe_unused]] char32_t c) {
#if U_ICU_VERSION_MAJOR_NUM >= 78
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > 16;
#else
  return false;
#endif
}

const std::array<ByteLevelClass, 128>& ascii_byte_level_classes() {
  static const std::array<ByteLevelClass, 128> table = [] {
    std::array<ByteLevelClass, 128> classes;
    for (unsigned c = 0; c < classes.size(); ++c) classes[c] = byte_level_class(c);
    return classes;
  }();
  return table;
}

struct ByteLevelCharacter {
  ByteLevelClass character_class;
  size_t end;
};

ByteLevelCharacter character_at(std::string_view text, size_t begin) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  if (bytes[begin] < 0x80) return {ascii_byte_level_classes()[bytes[begin]], begin + 1};
  size_t end = begin;
  UChar32 c;
  U8_NEXT_UNSAFE(bytes, end, c);
  return {byte_level_class(static_cast<char32_t>(c)), end};
}

// The length of 's, 't, 're, 've, 'm, 'll or 'd at the beginning of text; 0: none. Requires: text
// begins with '.
size_t contraction(std::string_view text) {
  if (text.size() < 2) return 0;
  const char c = text[1];
  if (c == 's' || c == 't' || c == 'm' || c == 'd') return 2;
  if (text.size() < 3) return 0;
  const bool three = text[2] == (c == 'l' ? 'l' : 'e') && (c == 'r' || c == 'v' || c == 'l');
  return three ? 3 : 0;
}

}  // namespace

ByteLevelClass byte_level_class(char32_t c) {
  const auto mask = U_GET_GC_MASK(static_cast<UChar32>(c));
  if ((mask & U_GC_CN_MASK) != 0) return class_since_unicode_15(c);
  if (is_newer(c)) return ByteLevelClass::kOther;
  if ((mask & U_GC_L_MASK) != 0) return ByteLevelClass::kLetter;
  if ((mask & U_GC_N_MASK) != 0) return ByteLevelClass::kNumber;
  return u_isUWhiteSpace(static_cast<UChar32>(c)) ? ByteLevelClass::kSpace : ByteLevelClass::kOther;
}

size_t byte_level_word_end(std::string_view text, size_t begin) {
  if (text[begin] == '\'') {
    if (const size_t length = contraction(text.substr(begin)); length != 0) return begin + length;
  }
  ByteLevelCharacter character = character_at(text, begin);
  if (text[begin] == ' ' && begin + 1 < text.size()) {
    const ByteLevelCharacter next = character_at(text, begin + 1);
    if (next.character_class != ByteLevelClass::kSpace) character = next;
  }
  const ByteLevelClass word_class = character.character_class;
  size_t end = character.end, last_begin = begin;
  while (end < text.size()) {
    character = character_at(text, end);
    if (character.character_class != word_class) break;
    last_begin = end;
    end = character.end;
  }
  // White space before a word leaves its last character to the word.
  const bool splits =
      word_class == ByteLevelClass::kSpace && end < text.size() && last_begin > begin;
  return splits ? last_begin : end;
}

const std::array<std::string, 256>& byte_level_alphabet() {
  static const std::array<std::string, 256> alphabet = [] {
    std::array<std::string, 256> characters;
    UChar32 next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      const UChar32 c = printable ? byte : next++;
      uint8_t utf8[U8_MAX_LENGTH];
      int32_t length = 0;
      U8_APPEND_UNSAFE(utf8, length, c);
      characters[static_cast<size_t>(byte)].assign(utf8, utf8 + length);
    }
    return characters;
  }();
  return alphabet;
}

std::optional<std::string> byte_level_bytes(std::string_view token) {
  static const std::unordered_map<std::string_view, char> bytes = [] {
    std::unordered_map<std::string_view, char> map;
    for (size_t byte = 0; byte < 256; ++byte)
      map[byte_level_alphabet()[byte]] = static_cast<char>(byte);
    return map;
  }();
  std::string out;
  const auto* utf8 = reinterpret_cast<const uint8_t*>(token.data());
  for (size_t i = 0; i < token.size();) {
    const size_t begin = i;
    U8_FWD_1(utf8, i, token.size());
    const auto found = bytes.find(token.substr(begin, i - begin));
    if (found == bytes.end()) return std::nullopt;
    out += found->second;
  }
  return out;
}

}  // namespace lait
