// What a data file is, found by its first line; and the cells of a tab-separated line.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "lait/data/records.h"

namespace lait {

struct TableFormat {
  // Not kAuto.
  FileFormat format{};
  // Of a table: '\t', ',' or ';'.
  char separator = '\t';
  // The line has commas and semicolons outside quotes, and no tab that would separate.
  bool is_mixed = false;
  // It is said to be JSON, and has no JSON but separators.
  bool is_table = false;
};
// `given`: kAuto, or what the file is said to be.
TableFormat find_format(const std::string& first_line, FileFormat given, ReadFor purpose);

std::vector<std::string> split(const std::string& line, char separator);
// Whether quotes are around the cell.
bool is_quoted(std::string_view cell);
// Whether the cell's quotes can only be CSV's: around it, and doubled inside it.
bool has_csv_quotes(std::string_view cell);
// "tab-separated"
const char* separated(char separator);

}  // namespace lait
