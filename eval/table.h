// Rows of text as an aligned table: for a terminal or a pipe, or for Markdown.
#pragma once
#include <string>
#include <vector>

namespace lait {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // each as long as the header
  size_t num_text_columns = 1;                 // aligned left; the others are aligned right
};

// Lines with two spaces between columns and none at the end. Cells may be UTF-8; each code point is
// one column wide. If that is wider than `width`, each row becomes a list: its first cell, then a
// line "heading  cell" for each other column.
std::string format_plain(const Table& table, size_t width = std::string::npos);
std::string format_markdown(const Table& table);
// A text that Markdown shows as it is: what it would take for formatting, links or HTML is escaped.
// The bar is left to format_markdown.
std::string markdown_text(const std::string& text);

// At most `width` columns of the text's end, with "…" in front if something was cut.
std::string keep_end(const std::string& utf8, size_t width);

}  // namespace lait
