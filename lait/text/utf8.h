// Invalid UTF-8 as Python's bytes.decode(errors="replace") has it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

bool is_valid_utf8(std::string_view text);

// text with U+FFFD for each maximal subpart of an invalid sequence. Where origins is not null, it
// receives for each byte of the result, and for its end, where its character begins in text.
std::string replace_invalid_utf8(std::string_view text, std::vector<int32_t>* origins);

}  // namespace lait
