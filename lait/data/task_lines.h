// What the tasks' readers share: reading a file's lines with a budget of bad ones, JSON lines,
// tab-separated lines.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lait/base/files.h"
#include "lait/base/shown_text.h"
#include "lait/data/task.h"

namespace lait {

// The line is malformed: "expected …, got …". for_each_line adds the place.
struct BadLine : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The first line that is not blank, e.g. a header. Throws UserError if there is none.
std::string first_line(LineReader& reader, const std::filesystem::path& file);

// Calls body(line) for each line that is not blank, starting with `first` if the reader has already
// returned a line. A BadLine is counted while options.skip_bad_lines allows it, otherwise thrown as
// a UserError "file:line: …". Throws UserError if there is no line for body.
void for_each_line(LineReader& reader, const std::filesystem::path& file,
                   const ReadOptions& options, ReadCounts& counts,
                   const std::function<void(const std::string&)>& body,
                   std::optional<std::string> first = std::nullopt);

// Parses a JSON object. Throws BadLine: not JSON (or invalid UTF-8), not an object, nested too
// deeply, a duplicate field.
nlohmann::json parse_object(const std::string& line);
// The object's text field. Throws BadLine if it is missing or not text.
std::string text_field(const nlohmann::json& object, const char* name);

// Throws BadLine if the line is not text: it has a NUL byte or invalid UTF-8.
std::vector<std::string> split_tabs(const std::string& line);
// The same for the line that the reader returned last, outside for_each_line. Throws UserError
// "file:line: …".
std::vector<std::string> split_header(const std::string& line, const LineReader& reader);
// The same for a line that must have as many cells as the header. Throws BadLine.
std::vector<std::string> split_cells(const std::string& line, size_t width);
// Indices of the named columns in a header; `where` is its file and line. Throws UserError unless
// each is there once.
std::vector<size_t> find_columns(const std::vector<std::string>& header,
                                 const std::vector<std::string>& names, const std::string& where);

// Index of a label. Throws BadLine naming the known labels.
ClassLabel label_index(const std::string& label, const std::vector<std::string>& labels);

}  // namespace lait
