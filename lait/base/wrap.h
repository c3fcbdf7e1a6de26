// Text in lines of a terminal's width.
#pragma once
#include <string>
#include <string_view>

namespace lait {

// Columns of a terminal: a code point is one wide.
size_t display_width(std::string_view utf8);

// Breaks a text at spaces into lines of at most `width` columns, each ended by a newline.
std::string wrap(const std::string& text, size_t width);

}  // namespace lait
