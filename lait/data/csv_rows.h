// Rows of a table with quoted fields (CSV, RFC 4180), read line by line by libcsv.
#pragma once
#include <csv.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lait/data/records.h"

namespace lait {

// "expected CSV, …, got …".
struct BadQuote : BadLine {
  using BadLine::BadLine;
};

class CsvRows {
 public:
  // `separator`: ',', ';' or '\t'.
  explicit CsvRows(char separator);
  ~CsvRows();
  CsvRows(const CsvRows&) = delete;
  CsvRows& operator=(const CsvRows&) = delete;

  // Adds a line without its end. Returns the row that ends with it, or nullopt if a quoted field
  // goes on in the next line. Throws BadQuote if quotes stand where CSV has none; the next line
  // then begins a new row.
  std::optional<std::vector<std::string>> add(std::string_view line);
  // Whether a row has begun and not ended.
  bool is_open() const { return num_lines_ > 0; }
  // The line of the open row, from 0, in which the quoted field that goes on began.
  int64_t open_line() const { return open_line_; }

 private:
  static void add_cell(void* text, size_t size, void* self);
  static void end_row(int end, void* self);

  void reset();
  void feed(std::string_view text, std::string_view line);

  csv_parser parser_{};
  char separator_;
  bool complete_ = false;
  int64_t num_lines_ = 0, open_line_ = 0;  // of the open row
  std::vector<std::string> cells_;
};

}  // namespace lait
