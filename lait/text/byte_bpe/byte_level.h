// ByteLevel of Hugging Face's `tokenizers`: how GPT-2 and RoBERTa split text into words, and how
// their vocabularies write bytes as visible characters.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lait {

enum class ByteLevelClass : uint8_t { kLetter, kNumber, kSpace, kOther };
// The class of a code point, as of the regular expressions that `tokenizers` uses: \p{L}, \p{N},
// \s, and the others.
ByteLevelClass byte_level_class(char32_t c);

// The end of the word that begins at byte `begin` of text, in GPT-2's pattern:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Requires: text is valid UTF-8, begin < text.size(). Words follow each other without a gap.
size_t byte_level_word_end(std::string_view text, size_t begin);

// The characters that stand for the 256 bytes, in UTF-8: printable ones for themselves, the others
// from U+0100 on.
const std::array<std::string, 256>& byte_level_alphabet();
// The bytes that a token stands for; nullopt where one of its characters stands for none.
std::optional<std::string> byte_level_bytes(std::string_view token);

}  // namespace lait
