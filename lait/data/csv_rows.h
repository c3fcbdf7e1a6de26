// Rows of a table with quoted fields (CSV, RFC 4180), read line by line by libcsv.
#pragma once
#include <csv.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

class CsvRows {
 public:
  // `separator`: ',', ';' or '\t'.
  explicit CsvRows(char separator);
  ~CsvRows();
  CsvRows(const CsvRows&) = delete;
  CsvRows& operator=(const CsvRows&) = delete;

  // Adds a line without its end. Returns the row that ends with it, or nullopt if a quoted field
  // goes on in the next line. Throws BadLine if quotes stand where CSV has none, and if a row is
  // longer than a line may be; the next line then begins a new row.
  std::optional<std::vector<std::string>> add(std::string_view line);
  // Drops a row that has begun and not ended.
  void reset();

 private:
  static void add_cell(void* text, size_t size, void* self);
  static void end_row(int end, void* self);

  void feed(std::string_view text, std::string_view line);

  csv_parser parser_{};
  char separator_;
  bool complete_ = false;
  size_t bytes_ = 0;  // of the open row
  std::vector<std::string> cells_;
};

}  // namespace lait
