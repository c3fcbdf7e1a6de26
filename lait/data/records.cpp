#include "lait/data/records.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/base/shown_text.h"
#include "lait/data/csv_rows.h"

namespace lait {
namespace {

using Json = Record::Json;

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r") == line.npos; }

// The first byte that is NUL or invalid UTF-8; npos: there is none.
size_t first_bad_byte(const std::string& text) {
  const auto size = static_cast<int32_t>(text.size());  // a line is shorter than 16 MB
  for (int32_t i = 0; i < size;) {
    const int32_t begin = i;
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    if (c <= 0) return static_cast<size_t>(begin);
  }
  return text.npos;
}

void check_text(const std::string& line) {
  const size_t at = first_bad_byte(line);
  if (at == line.npos) return;
  throw BadLine("expected UTF-8 text, got " +
                std::string(line[at] == '\0' ? "a NUL byte" : "other bytes") + " at byte " +
                std::to_string(at + 1));
}

bool is_quoted(std::string_view cell) {
  return cell.size() >= 2 && cell.front() == '"' && cell.back() == '"';
}

// Whether the cell's quotes can only be CSV's: around it, and doubled inside it.
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

Json parse_object(const std::string& line) {
  Json object;
  try {
    object = parse_json_text<Json>(line);
  } catch (const BadJson& error) {
    if (error.byte == 0) throw BadLine(error.what());
    throw BadLine("expected a JSON object, got " +
                  (error.invalid_utf8 ? "invalid UTF-8" : shown(line)) + ", wrong at byte " +
                  std::to_string(error.byte));
  }
  if (object.is_object()) return object;
  throw BadLine("expected a JSON object, got " + shown(line) +
                (object.is_array() ? ", a list (jq -c '.[]' makes lines of a list)" : ""));
}

}  // namespace

Record::Record(Names names, std::vector<std::string> cells) : names_(std::move(names)) {
  cells_.reserve(cells.size());
  for (std::string& cell : cells) cells_.emplace_back(std::move(cell));
}

const Json* Record::find(const std::string& name) const {
  if (!names_) {
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }
  const auto column = static_cast<size_t>(std::ranges::find(*names_, name) - names_->begin());
  return column < cells_.size() ? &cells_[column] : nullptr;
}

const std::string& Record::text(const std::string& name) const {
  const Json* value = find(name);
  if (value == nullptr) throw BadLine("expected the field \"" + name + "\", got none");
  if (!value->is_string())
    throw BadLine("expected text in the field \"" + name + "\", got " + value->type_name());
  return value->get_ref<const std::string&>();
}

void Record::for_each(const std::function<void(const std::string&, const Json&)>& body) const {
  if (names_) {
    for (size_t i = 0; i < cells_.size(); ++i) body((*names_)[i], cells_[i]);
  } else {
    for (const auto& [name, value] : object_.items()) body(name, value);
  }
}

RecordReader::RecordReader(
    LineReader& lines, FileFormat format,
    std::function<std::optional<Headerless>(const std::vector<std::string>&)> headerless)
    : lines_(lines), format_(format), headerless_(std::move(headerless)) {}
RecordReader::~RecordReader() = default;

std::string RecordReader::where() const {
  return lines_.name() + ":" + std::to_string(line_number_);
}

// The next line that is not blank. Sets line_number_.
std::optional<std::string> RecordReader::next_line() {
  if (held_line_) return std::exchange(held_line_, std::nullopt);
  while (auto line = lines_.next()) {
    line_number_ = lines_.line_number();
    if (!is_blank(*line)) return line;
    ++blank_lines_;
  }
  return std::nullopt;
}

std::vector<std::string> RecordReader::tab_cells(const std::string& line) const {
  check_text(line);
  std::vector<std::string> cells = split(line, '\t');
  if (!quotes_are_checked_) return cells;
  const auto quoted = std::ranges::find_if(cells, has_csv_quotes);
  if (quoted == cells.end()) return cells;
  throw UserError(where() + ": expected quotes that are part of the text, got " + shown(*quoted) +
                  ", which looks like CSV's; set data.format: csv if quotes enclose fields, tsv if "
                  "they are text");
}

// The cells of the next row; nullopt at the end of the file.
std::optional<std::vector<std::string>> RecordReader::next_row() {
  if (held_row_) return std::exchange(held_row_, std::nullopt);
  auto line = next_line();
  if (!line) return std::nullopt;
  if (!csv_) return tab_cells(*line);
  while (line) {
    try {
      check_text(*line);
    } catch (const BadLine&) {
      csv_->reset();
      throw;
    }
    if (auto cells = csv_->add(*line)) return cells;
    line = lines_.next();  // a blank line belongs to the field
  }
  throw UserError(where() + ": expected a closing quote, got the end of the file");
}

// Finds out what the file is, from its first line.
void RecordReader::begin(const std::string& first) {
  begun_ = true;
  header_line_ = line_number_;
  const char start = first[first.find_first_not_of(" \t")];
  const bool tabs = first.find('\t') != first.npos;
  quotes_are_checked_ = format_ == FileFormat::kAuto;
  if (format_ == FileFormat::kAuto) {
    const auto cells = split(first, '\t');
    if (start == '{' || start == '[') {
      format_ = FileFormat::kJsonLines;
    } else if (tabs ? std::ranges::all_of(cells, is_quoted)
                    : first.find_first_of(",;") != first.npos) {
      format_ = FileFormat::kCsv;
    } else {
      format_ = FileFormat::kTsv;
    }
  }
  held_line_ = first;
  if (format_ == FileFormat::kJsonLines) return;
  if (format_ == FileFormat::kCsv) {
    separator_ = tabs                                                              ? '\t'
                 : std::ranges::count(first, ';') > std::ranges::count(first, ',') ? ';'
                                                                                   : ',';
    csv_ = std::make_unique<CsvRows>(separator_);
  }
  std::vector<std::string> row;
  try {
    row = *next_row();
  } catch (const BadLine& error) {
    throw UserError(where() + ": " + error.what() + "; save the file as UTF-8 text with a header");
  }
  const auto headerless = headerless_ ? headerless_(row) : std::nullopt;
  has_header_ = !headerless;
  if (headerless) {
    names_ = std::make_shared<const std::vector<std::string>>(headerless->names);
    fewest_cells_ = headerless->fewest_cells;
    held_row_ = std::move(row);
    return;
  }
  for (size_t i = 0; i < row.size(); ++i) {
    if (std::ranges::count(row, row[i]) == 1 || row[i].empty()) continue;
    throw UserError(where() + ": expected a " + separated(separator_) + " header with the column " +
                    row[i] + " once, got it twice");
  }
  fewest_cells_ = row.size();
  names_ = std::make_shared<const std::vector<std::string>>(std::move(row));
}

Record RecordReader::row(std::vector<std::string> cells) const {
  const size_t most = names_->size();
  if (cells.size() >= fewest_cells_ && cells.size() <= most) return {names_, std::move(cells)};
  const bool quotes = !csv_ && std::ranges::any_of(cells, [](const std::string& cell) {
    return cell.starts_with('"') && !is_quoted(cell);
  });
  throw BadLine(
      "expected " + (fewest_cells_ < most ? std::to_string(fewest_cells_) + " to " : "") +
      std::to_string(most) + " " + separated(separator_) + " columns, got " +
      std::to_string(cells.size()) +
      (quotes ? " (if quotes enclose fields with line breaks, set data.format: csv)" : ""));
}

std::optional<Record> RecordReader::next() {
  if (!begun_) {
    const auto first = next_line();
    if (!first) return std::nullopt;
    begin(*first);
  }
  if (format_ == FileFormat::kJsonLines) {
    const auto line = next_line();
    if (!line) return std::nullopt;
    return Record(parse_object(*line));
  }
  auto cells = next_row();
  if (!cells) return std::nullopt;
  return row(std::move(*cells));
}

}  // namespace lait
