#include "lait/data/table_format.h"

#include <algorithm>

namespace lait {
namespace {

int64_t count_outside_quotes(const std::string& line, char sign) {
  int64_t count = 0;
  bool inside = false;
  for (const char c : line) {
    if (c == '"') inside = !inside;
    if (c == sign && !inside) ++count;
  }
  return count;
}

}  // namespace

TableFormat find_format(const std::string& first_line, FileFormat given, ReadFor purpose) {
  const char start = first_line[first_line.find_first_not_of(" \t")];
  const bool lines = purpose == ReadFor::kPrediction && start == '{';
  const int64_t commas = count_outside_quotes(first_line, ','),
                semicolons = count_outside_quotes(first_line, ';'),
                tabs = count_outside_quotes(first_line, '\t');
  FileFormat format = lines ? FileFormat::kJsonLines : given;
  if (format == FileFormat::kAuto) {
    if (start == '{' || start == '[') {
      format = FileFormat::kJsonLines;
    } else if (first_line.find('\t') != first_line.npos) {
      format = std::ranges::all_of(split(first_line, '\t'), is_quoted) ? FileFormat::kCsv
                                                                       : FileFormat::kTsv;
    } else {
      format = commas + semicolons > 0 ? FileFormat::kCsv : FileFormat::kTsv;
    }
  }
  if (format == FileFormat::kJsonLines) {
    return {.format = format,
            .is_table = start != '{' && start != '[' && commas + semicolons + tabs > 0};
  }
  if (format != FileFormat::kCsv || tabs > 0) return {.format = format};
  return {.format = format,
          .separator = semicolons > commas ? ';' : ',',
          .is_mixed = commas > 0 && semicolons > 0};
}

bool is_quoted(std::string_view cell) {
  return cell.size() >= 2 && cell.front() == '"' && cell.back() == '"';
}

bool has_csv_quotes(std::string_view cell) {
  if (!is_quoted(cell)) return false;
  cell = cell.substr(1, cell.size() - 2);
  bool doubled = false;
  for (size_t i = 0; (i = cell.find('"', i)) != cell.npos; i += 2) {
    if (i + 1 == cell.size() || cell[i + 1] != '"') return false;
    doubled = true;
  }
  return doubled;
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> out;
  for (size_t begin = 0;;) {
    const size_t end = line.find(separator, begin);
    out.push_back(line.substr(begin, end == line.npos ? end : end - begin));
    if (end == line.npos) return out;
    begin = end + 1;
  }
}

const char* separated(char separator) {
  return separator == '\t'  ? "tab-separated"
         : separator == ';' ? "semicolon-separated"
                            : "comma-separated";
}

}  // namespace lait
