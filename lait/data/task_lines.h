// What the tasks' readers share: going through a file's lines with a budget of bad ones, JSON lines, tab-separated lines.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lait/data/task.h"
#include "lait/files.h"

namespace lait {

// A line that is not what it should be; "expected …, got …". for_each_line adds the place.
struct BadLine : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Calls body(line) for each line that is not blank. A BadLine is counted while options.skip_bad_lines allows, else thrown as
// a UserError "file:line: …". Throws UserError for a file without any line.
void for_each_line(LineReader& reader, const std::filesystem::path& file, const ReadOptions& options, ReadCounts& counts,
                   const std::function<void(const std::string&)>& body);

// A JSON object. Throws BadLine: not JSON, not an object, nested too deeply.
nlohmann::json parse_object(const std::string& line);
// Its text field. Throws BadLine where it is missing or no text.
std::string text_field(const nlohmann::json& object, const char* name);

std::vector<std::string> split_tabs(const std::string& line);
// Places of the named columns in a header line. Throws UserError "file:1: …" where one is missing.
std::vector<size_t> find_columns(const std::string& header, const std::vector<std::string>& names, const std::filesystem::path& file);

// Index of a label. Throws BadLine naming the labels.
double label_index(const std::string& label, const std::vector<std::string>& labels);

// Text for messages, cut and in quotes.
std::string shown(std::string_view text);

}  // namespace lait
