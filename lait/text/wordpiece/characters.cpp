// Character classes of Hugging Face's BERT tokenizer: ICU's properties, limited to the Unicode
// version of each Rust crate.
#include "lait/text/wordpiece/characters.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <stdexcept>
#include <string>

namespace lait {
namespace {

constexpr int kCategoriesUnicode = 8;
constexpr int kNormalizationUnicode = 9;

// Whether the character was assigned in that major version of Unicode.
bool known_in(char32_t c, int major) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && (age[0] < major || (age[0] == major && age[1] == 0));
}

bool in_categories(char32_t c, uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0 && known_in(c, kCategoriesUnicode);
}

const UNormalizer2* nfd() {
  static const UNormalizer2* instance = [] {
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2* found = unorm2_getNFDInstance(&error);
    if (U_FAILURE(error))
      throw std::runtime_error(std::string("ICU has no NFD data: ") + u_errorName(error));
    return found;
  }();
  return instance;
}

// Lower-case pairs of Unicode 16 and 17, which ICU 72 does not have: first … last map to themselves
// plus offset.
struct LowerRange {
  char32_t first, last;
  int32_t offset;
};
constexpr LowerRange kLowerSince16[] = {
    {0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B},
};

}  // namespace

bool is_bert_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c == 0xFFFD) return true;
  return in_categories(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
}

bool is_bert_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }

bool is_bert_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_bert_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  if (c == 0x166D || c == 0x111C9) return true;  // Po in Unicode 8, So and Mn later
  return in_categories(c, U_GC_P_MASK);
}

bool is_bert_accent(char32_t c) {
  if (c < 0x300) return false;
  if (c == 0x1734) return true;  // Mn in Unicode 8, Mc later
  // Lo, Lo, Mc and Po in Unicode 8, Mn later
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  return in_categories(c, U_GC_MN_MASK);
}

uint8_t bert_combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const uint8_t value = u_getCombiningClass(static_cast<UChar32>(c));
  return value != 0 && known_in(c, kNormalizationUnicode) ? value : 0;
}

int bert_decompose(char32_t c, char32_t* out) {
  if (c >= 0xC0) {
    UChar units[2 * kMaxDecomposition];
    UErrorCode error = U_ZERO_ERROR;
    const int32_t length = unorm2_getDecomposition(nfd(), static_cast<UChar32>(c), units,
                                                   2 * kMaxDecomposition, &error);
    if (length > 0 && U_SUCCESS(error) && known_in(c, kNormalizationUnicode)) {
      int count = 0;
      for (int32_t i = 0; i < length;) {
        UChar32 part;
        U16_NEXT(units, i, length, part);
        out[count++] = static_cast<char32_t>(part);
      }
      return count;
    }
  }
  out[0] = c;
  return 1;
}

int bert_lower(char32_t c, char32_t* out) {
  if (c == 0x130) {  // İ: the one character whose lower case is two
    out[0] = 'i';
    out[1] = 0x307;
    return 2;
  }
  out[0] = static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
  if (out[0] == c && c >= kLowerSince16[0].first) {
    for (const LowerRange& range : kLowerSince16) {
      if (c >= range.first && c <= range.last) out[0] = c + static_cast<char32_t>(range.offset);
    }
  }
  return 1;
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace lait
