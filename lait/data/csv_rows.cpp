#include "lait/data/csv_rows.h"

#include <new>
#include <utility>

#include "lait/base/shown_text.h"

namespace lait {
namespace {

// Blanks belong to the text, and only "\n" ends a row: libcsv would trim the ones and take "\r" for
// the other.
int is_never(unsigned char) { return 0; }
int is_newline(unsigned char c) { return c == '\n' ? 1 : 0; }

}  // namespace

CsvRows::CsvRows(char separator) : separator_(separator) { reset(); }

CsvRows::~CsvRows() { csv_free(&parser_); }

void CsvRows::add_cell(void* text, size_t size, void* self) {
  static_cast<CsvRows*>(self)->cells_.emplace_back(static_cast<const char*>(text), size);
}

void CsvRows::end_row(int, void* self) { static_cast<CsvRows*>(self)->complete_ = true; }

void CsvRows::reset() {
  csv_free(&parser_);
  parser_ = {};
  if (csv_init(&parser_, CSV_STRICT) != 0) throw std::bad_alloc();
  csv_set_delim(&parser_, static_cast<unsigned char>(separator_));
  csv_set_space_func(&parser_, is_never);
  csv_set_term_func(&parser_, is_newline);
  complete_ = false;
  num_lines_ = open_line_ = 0;
  cells_.clear();
}

void CsvRows::feed(std::string_view text, std::string_view line) {
  if (csv_parse(&parser_, text.data(), text.size(), add_cell, end_row, this) == text.size()) return;
  if (csv_error(&parser_) != CSV_EPARSE) throw std::bad_alloc();
  reset();
  throw BadQuote(
      "expected CSV, whose quotes enclose a whole field and are doubled inside it, got " +
      shown(line));
}

std::optional<std::vector<std::string>> CsvRows::add(std::string_view line) {
  const size_t cells_before = cells_.size();
  feed(line, line);
  feed("\n", line);
  if (!complete_) {
    if (cells_.size() > cells_before) open_line_ = num_lines_;
    ++num_lines_;
    return std::nullopt;
  }
  complete_ = false;
  num_lines_ = open_line_ = 0;
  return std::exchange(cells_, {});
}

}  // namespace lait
