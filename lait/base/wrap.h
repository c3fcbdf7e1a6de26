// Wraps text at a terminal's width.
#pragma once
#include <string>
#include <string_view>

namespace lait {

// Columns that a text takes in a terminal; each code point takes one.
size_t display_width(std::string_view utf8);

// Breaks a text at spaces into lines of at most `width` columns, each ending with a newline.
std::string wrap(const std::string& text, size_t width);

}  // namespace lait
