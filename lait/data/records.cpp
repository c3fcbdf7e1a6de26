#include "lait/data/records.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/base/shown_text.h"
#include "lait/data/csv_rows.h"
#include "lait/data/table_format.h"

namespace lait {
namespace {

using Json = Record::Json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
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

// The parser would round such a number, and it is to be carried through.
void check_numbers(std::string_view json) {
  bool inside = false;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') inside = !inside;
    if (inside && json[i] == '\\') ++i;
    if (inside || !is_digit(json[i])) continue;
    const size_t begin = i;
    i = std::min(json.find_first_not_of("0123456789.eE+-", i), json.size()) - 1;
    const std::string_view number = json.substr(begin, i + 1 - begin);
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    const bool negative = begin > 0 && json[begin - 1] == '-',
               whole = end == number.data() + number.size();
    if (!whole || (error == std::errc() && (!negative || value <= uint64_t{1} << 63))) continue;
    throw BadLine("expected whole numbers of at most 64 bits, got " + shown(number) +
                  ", which would be rounded; put quotes around it");
  }
}

// `is_table`: the file begins as a table does.
Json parse_object(const std::string& line, bool is_table) {
  Json object;
  try {
    object = parse_json_text<Json>(line);
  } catch (const BadJson& error) {
    if (error.byte == 0) throw BadLine(error.what());
    throw BadLine("expected a JSON object, got " +
                  (error.invalid_utf8 ? "invalid UTF-8" : shown(line)) + ", wrong at byte " +
                  std::to_string(error.byte) +
                  (is_table ? " (a table is read with task: table and data.columns)" : ""));
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

std::string id_text(const Json& id, const std::string& field) {
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_integer()) return id.dump();
  throw BadLine("expected text or a whole number in the field \"" + field + "\", got " +
                id.type_name());
}

void Record::for_each(const std::function<void(const std::string&, const Json&)>& body) const {
  if (names_) {
    for (size_t i = 0; i < cells_.size(); ++i) body((*names_)[i], cells_[i]);
  } else {
    for (const auto& [name, value] : object_.items()) body(name, value);
  }
}

RecordReader::RecordReader(LineReader& lines, FileFormat format, ReadFor purpose,
                           FindHeaderless headerless)
    : lines_(lines), format_(format), purpose_(purpose), headerless_(std::move(headerless)) {}
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
                  ", which looks like CSV's; " +
                  (purpose_ == ReadFor::kTraining
                       ? "set data.format: csv if quotes enclose fields, tsv if they are text"
                       : "give the examples as {\"segments\": [\"…\", \"…\"]} lines, or set "
                         "data.format in the checkpoint's lait.yaml: csv if quotes enclose fields, "
                         "tsv if they are text"));
}

// The cells of the next row; nullopt at the end of the file.
std::optional<std::vector<std::string>> RecordReader::next_row() {
  if (held_row_) return std::exchange(held_row_, std::nullopt);
  auto line = next_line();
  if (!line) return std::nullopt;
  return csv_ ? next_csv_row(std::move(*line)) : tab_cells(*line);
}

// A row that is malformed over several lines may be many rows behind a quote that is not closed. So
// that none is lost unseen, it is no BadLine.
std::vector<std::string> RecordReader::next_csv_row(std::string line) {
  std::string bad_text;
  size_t bytes = 0;
  const auto at_line = [&](int64_t of_row) {
    return lines_.name() + ":" + std::to_string(line_number_ + of_row);
  };
  for (std::optional<std::string> next = std::move(line); next; next = lines_.next()) {
    const int64_t open_line = csv_->open_line();
    const bool continues = csv_->is_open();
    bytes += next->size() + 1;
    if (bytes > LineReader::kMaxLineBytes) {
      throw UserError(at_line(open_line) + ": expected a closing quote within " +
                      std::to_string(LineReader::kMaxLineBytes) + " bytes, got none");
    }
    try {
      check_text(*next);
    } catch (const BadLine& error) {
      // The row is read to its end first: its other lines are no rows.
      if (bad_text.empty())
        bad_text = error.what() +
                   (continues ? " of line " + std::to_string(lines_.line_number()) : std::string());
    }
    try {
      if (auto cells = csv_->add(*next)) {
        if (bad_text.empty()) return *cells;
        if (names_) check_num_cells(*cells);
        throw BadLine(bad_text);
      }
    } catch (const BadQuote&) {
      if (!continues) throw;
      throw UserError(at_line(open_line) + ": expected a closing quote before line " +
                      std::to_string(lines_.line_number()) +
                      ", which has another quote in its text (" + shown(*next) +
                      "); close the quote, or double those inside the field");
    }
  }
  throw UserError(at_line(csv_->open_line()) +
                  ": expected a closing quote, got the end of the file");
}

// Finds out what the file is, from its first line.
void RecordReader::begin(const std::string& first) {
  begun_ = true;
  header_line_ = line_number_;
  const TableFormat found = find_format(first, format_, purpose_);
  quotes_are_checked_ = format_ == FileFormat::kAuto;
  format_ = found.format;
  separator_ = found.separator;
  is_table_ = found.is_table && purpose_ == ReadFor::kTraining;
  held_line_ = first;
  if (format_ == FileFormat::kJsonLines) return;
  if (format_ == FileFormat::kCsv) csv_ = std::make_unique<CsvRows>(separator_);
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
  if (found.is_mixed) {
    throw UserError(where() +
                    ": expected a header with commas or semicolons between its columns, got both; "
                    "put quotes around a name that has one");
  }
  std::set<std::string> names;
  for (size_t i = 0; i < row.size(); ++i) {
    // So that each can be carried: a column without a name is called by its number.
    if (row[i].empty()) row[i] = std::to_string(i + 1);
    if (names.insert(row[i]).second) continue;
    throw UserError(where() + ": expected a " + separated(separator_) + " header with the column " +
                    shown(row[i]) + " once, got it twice");
  }
  fewest_cells_ = row.size();
  names_ = std::make_shared<const std::vector<std::string>>(std::move(row));
}

void RecordReader::check_num_cells(const std::vector<std::string>& cells) const {
  const size_t most = names_->size();
  if (cells.size() >= fewest_cells_ && cells.size() <= most) return;
  const bool quotes = !csv_ && std::ranges::any_of(cells, [](const std::string& cell) {
    return cell.starts_with('"') && !is_quoted(cell);
  });
  const std::string problem = "expected " +
                              (fewest_cells_ < most ? std::to_string(fewest_cells_) + " to " : "") +
                              std::to_string(most) + " " + separated(separator_) +
                              " columns, got " + std::to_string(cells.size());
  if (csv_ && lines_.line_number() > line_number_) {
    throw UserError(where() + ": " + problem + " in the row up to line " +
                    std::to_string(lines_.line_number()) + "; is a quote not closed?");
  }
  throw BadLine(problem +
                (quotes && purpose_ == ReadFor::kTraining
                     ? " (if quotes enclose fields with line breaks, set data.format: csv)"
                     : ""));
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
    if (purpose_ == ReadFor::kPrediction) check_numbers(*line);
    return Record(parse_object(*line, is_table_));
  }
  auto cells = next_row();
  if (!cells) return std::nullopt;
  check_num_cells(*cells);
  return Record(names_, std::move(*cells));
}

}  // namespace lait
