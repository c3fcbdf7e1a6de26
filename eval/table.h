// Rows of text as an aligned table: for a terminal or a pipe, or for Markdown.
#pragma once
#include <string>
#include <vector>

namespace lait {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // each as long as the header
  size_t num_text_columns = 1;                 // the first columns, aligned left; the others right
};

// Lines with two spaces between columns, none at a line's end. Cells may be UTF-8: a code point is one column wide. Where that
// is wider than `width`, each row is a list instead: its first cell, and below it a line "heading  cell" for each other column.
std::string format_plain(const Table& table, size_t width = std::string::npos);
std::string format_markdown(const Table& table);

// At most `width` columns: the end of a longer text behind "…".
std::string keep_end(const std::string& utf8, size_t width);

}  // namespace lait
