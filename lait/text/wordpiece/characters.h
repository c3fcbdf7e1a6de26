// Character classes of Hugging Face's BertNormalizer and BertPreTokenizer, from ICU.
//
// The rule kept: equality with the Rust `tokenizers` library for every code point. Its crates
// freeze different versions of Unicode, so a newer ICU must be held back: categories (control,
// punctuation, non-spacing mark) know Unicode 8, decompositions and combining classes Unicode 9,
// white space has not changed since, lower-casing knows Unicode 17. tests/text/ compares all code
// points.
#pragma once
#include <cstdint>
#include <string>

namespace lait {

// Removed by clean_text: NUL, U+FFFD and the categories Cc, Cf and Co, but for the tab and line
// ends.
bool is_bert_control(char32_t c);
// The property White_Space. Tested after is_bert_control, which takes U+000B, U+000C and U+0085.
bool is_bert_space(char32_t c);
// The blocks of Chinese characters that handle_chinese_chars sets apart as words.
bool is_bert_chinese(char32_t c);
// ASCII punctuation (with $ + < = > ^ ` | ~) and the categories P*: each such character is a word.
bool is_bert_punctuation(char32_t c);
// Category Mn, removed by strip_accents.
bool is_bert_accent(char32_t c);
// Canonical combining class; 0 for starters.
uint8_t bert_combining_class(char32_t c);

// The full canonical decomposition, at most kMaxDecomposition code points, written to out; returns
// how many.
constexpr int kMaxDecomposition = 4;
int bert_decompose(char32_t c, char32_t* out);

// Per character, without context (no final sigma); at most two code points (U+0130), written to
// out; returns how many.
constexpr int kMaxLower = 2;
int bert_lower(char32_t c, char32_t* out);

void append_utf8(char32_t c, std::string& out);

}  // namespace lait
