#include "eval/table.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <string_view>

#include "lait/base/wrap.h"

namespace lait {
namespace {

bool begins_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

std::vector<size_t> column_widths(const Table& table) {
  std::vector<size_t> widths(table.header.size(), 0);
  auto widen = [&](const std::vector<std::string>& row) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], display_width(row[c]));
  };
  widen(table.header);
  for (const auto& row : table.rows) widen(row);
  return widths;
}

std::string pad(const std::string& cell, size_t width, bool left) {
  const std::string spaces(width - display_width(cell), ' ');
  return left ? cell + spaces : spaces + cell;
}

std::string format_list(const Table& table) {
  size_t width = 0;
  for (const std::string& heading : table.header) width = std::max(width, display_width(heading));
  std::string out;
  for (const auto& row : table.rows) {
    out += row[0] + "\n";
    for (size_t c = 1; c < row.size(); ++c)
      out += "  " + pad(table.header[c], width, /*left=*/true) + "  " + row[c] + "\n";
  }
  return out;
}

}  // namespace

std::string keep_end(const std::string& utf8, size_t width) {
  size_t excess = display_width(utf8);
  if (excess <= width) return utf8;
  excess -= width - 1;
  size_t begin = 0;
  while (excess > 0 || (begin < utf8.size() && !begins_code_point(utf8[begin])))
    excess -= begins_code_point(utf8[begin++]);
  return "…" + utf8.substr(begin);
}

std::string format_plain(const Table& table, size_t width) {
  const std::vector<size_t> widths = column_widths(table);
  if (std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1)) > width)
    return format_list(table);
  std::string out;
  auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      line += (c == 0 ? "" : "  ") + pad(row[c], widths[c], c < table.num_text_columns);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add(table.header);
  for (const auto& row : table.rows) add(row);
  return out;
}

std::string format_markdown(const Table& table) {
  const std::vector<size_t> widths = column_widths(table);
  std::string out;
  auto add = [&](const std::vector<std::string>& row) {
    out += "|";
    for (size_t c = 0; c < row.size(); ++c) {
      std::string cell = pad(row[c], widths[c], c < table.num_text_columns);
      for (size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2)
        cell.insert(at, 1, '\\');
      out += " " + cell + " |";
    }
    out += "\n";
  };
  add(table.header);
  out += "|";
  for (size_t c = 0; c < widths.size(); ++c) {
    out += c < table.num_text_columns ? std::string(widths[c] + 2, '-') + "|"
                                      : std::string(widths[c] + 1, '-') + ":|";
  }
  out += "\n";
  for (const auto& row : table.rows) add(row);
  return out;
}

std::string markdown_text(const std::string& text) {
  const auto in_word = [&](size_t i) {  // also letters beyond ASCII
    if (i >= text.size()) return false;
    const auto c = static_cast<unsigned char>(text[i]);
    return c >= 0x80 || std::isalnum(c) != 0;
  };
  constexpr std::string_view kEaten = R"(\`*[]<>&~$#)";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // An underscore within a word is shown; run names are full of them.
    const bool emphasis = c == '_' && !(i > 0 && in_word(i - 1) && in_word(i + 1));
    if (emphasis || kEaten.find(c) != kEaten.npos) out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

}  // namespace lait
