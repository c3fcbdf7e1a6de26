// A data file as records of named fields: JSON lines, tab-separated lines, or CSV. The one place
// that knows file formats; what the fields mean is a task's (task.h).
#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lait/base/files.h"
#include "lait/config/config.h"

namespace lait {

class CsvRows;

// One record is malformed: "expected …, got …". Who reads the file adds the place.
struct BadLine : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Record {
 public:
  using Json = nlohmann::ordered_json;
  using Names = std::shared_ptr<const std::vector<std::string>>;

  // A JSON object.
  explicit Record(Json object) : object_(std::move(object)) {}
  // A row of a table.
  Record(Names names, std::vector<std::string> cells);

  // nullptr: the record has no such field. Values of a table are texts.
  const Json* find(const std::string& name) const;
  // Throws BadLine if the field is missing or not text.
  const std::string& text(const std::string& name) const;
  bool is_row() const { return names_ != nullptr; }
  // Calls body(name, value) for each field in the file's order.
  void for_each(const std::function<void(const std::string&, const Json&)>& body) const;

 private:
  Json object_;
  Names names_;
  std::vector<Json> cells_;
};

// The text of an id, which may be a whole number. Throws BadLine naming the field for other values.
std::string id_text(const Record::Json& id, const std::string& field);

// Prediction takes {"segments"} lines beside the training's files, and needs no labels.
enum class ReadFor { kTraining, kPrediction };

// Names for the columns of a table that has no header.
struct Headerless {
  std::vector<std::string> names;
  // Rows may end earlier.
  size_t fewest_cells = 0;
};

class RecordReader {
 public:
  using FindHeaderless = std::function<std::optional<Headerless>(const std::vector<std::string>&)>;

  // `headerless`: given a table's first row, its columns if that row is no header; may be null. For
  // prediction, a file that begins with "{" is JSON lines, whatever `format` is. `lines` must
  // outlive the reader.
  RecordReader(LineReader& lines, FileFormat format, ReadFor purpose, FindHeaderless headerless);
  ~RecordReader();

  // The next record, or nullopt at the end. Throws BadLine (the next call continues behind the
  // record), and UserError "file:line: …": the file cannot be read, a header is malformed, quotes
  // of a table may be text or CSV's, or a quote may not be closed, so that nobody knows how many
  // rows it takes.
  std::optional<Record> next();
  // Whether the file has no line that is not blank.
  bool is_empty() const { return !begun_; }
  // The first line of the record or header read last, from 1; 0: the file has none.
  int64_t line_number() const { return line_number_; }
  // Of a table's header, from 1.
  int64_t header_line() const { return header_line_; }
  int64_t blank_lines() const { return blank_lines_; }
  // Of a table, once next() was called: its columns. Null for JSON lines.
  const Record::Names& columns() const { return names_; }
  // Whether the columns are from the table's first row.
  bool has_header() const { return has_header_; }

 private:
  std::optional<std::string> next_line();
  std::optional<std::vector<std::string>> next_row();
  std::vector<std::string> next_csv_row(std::string line);
  void begin(const std::string& first);
  std::vector<std::string> tab_cells(const std::string& line) const;
  void check_num_cells(const std::vector<std::string>& cells) const;
  std::string where() const;

  LineReader& lines_;
  FileFormat format_;
  ReadFor purpose_;
  FindHeaderless headerless_;
  std::unique_ptr<CsvRows> csv_;
  char separator_ = '\t';
  bool begun_ = false, has_header_ = false, quotes_are_checked_ = false;
  // Begins as a table does, and is to be JSON lines.
  bool is_table_ = false;
  Record::Names names_;
  size_t fewest_cells_ = 0;
  std::optional<std::string> held_line_;
  std::optional<std::vector<std::string>> held_row_;
  int64_t line_number_ = 0, header_line_ = 0, blank_lines_ = 0;
};

}  // namespace lait
