#include "lait/data/task_lines.h"

#include <unicode/utf8.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/base/json.h"

namespace lait {
namespace {

bool is_blank(const std::string& line) {
  return line.find_first_not_of(" \t\r") == std::string::npos;
}

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

}  // namespace

std::string first_line(LineReader& reader, const std::filesystem::path& file) {
  while (auto line = reader.next()) {
    if (!is_blank(*line)) return std::move(*line);
  }
  throw UserError(file.string() + ": expected examples, got an empty file");
}

void for_each_line(LineReader& reader, const std::filesystem::path& file,
                   const ReadOptions& options, ReadCounts& counts,
                   const std::function<void(const std::string&)>& body,
                   std::optional<std::string> first) {
  int64_t bad = 0;
  bool any = false;
  for (auto line = first ? std::move(first) : reader.next(); line; line = reader.next()) {
    if (is_blank(*line)) continue;
    any = true;
    try {
      body(*line);
    } catch (const BadLine& error) {
      if (++bad > options.skip_bad_lines) {
        const bool spent = options.skip_bad_lines > 0 || counts.bad_lines > 0;
        throw UserError(reader.where() + ": " + error.what() + "; fix the line" +
                        (options.skip_key.empty() ? ""
                         : spent ? " or raise " + options.skip_key + " (now used up)"
                                 : " or set " + options.skip_key));
      }
      ++counts.bad_lines;
    }
  }
  if (!any)
    throw UserError(file.string() + ": expected examples, got " +
                    (reader.line_number() == 0 ? "an empty file" : "none"));
}

nlohmann::json parse_object(const std::string& line) {
  nlohmann::json object;
  try {
    object = parse_json_text(line);
  } catch (const BadJson& error) {
    if (error.byte == 0) throw BadLine(error.what());
    throw BadLine("expected a JSON object, got " +
                  (error.invalid_utf8 ? "invalid UTF-8" : shown(line)) + ", wrong at byte " +
                  std::to_string(error.byte));
  }
  if (!object.is_object()) throw BadLine("expected a JSON object, got " + shown(line));
  return object;
}

std::string text_field(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end())
    throw BadLine(std::string("expected the field \"") + name + "\", got none");
  if (!found->is_string())
    throw BadLine(std::string("expected text in the field \"") + name + "\", got " +
                  found->type_name());
  return found->get<std::string>();
}

std::vector<std::string> split_tabs(const std::string& line) {
  if (const auto at = first_bad_byte(line); at != line.npos) {
    throw BadLine("expected UTF-8 text, got " +
                  std::string(line[at] == '\0' ? "a NUL byte" : "other bytes") + " at byte " +
                  std::to_string(at + 1));
  }
  std::vector<std::string> out;
  for (size_t begin = 0;;) {
    const size_t tab = line.find('\t', begin);
    out.push_back(line.substr(begin, tab == std::string::npos ? tab : tab - begin));
    if (tab == std::string::npos) return out;
    begin = tab + 1;
  }
}

std::vector<std::string> split_header(const std::string& line, const LineReader& reader) {
  try {
    return split_tabs(line);
  } catch (const BadLine& error) {
    throw UserError(reader.where() + ": " + error.what() + "; save the file as UTF-8");
  }
}

std::vector<std::string> split_cells(const std::string& line, size_t width) {
  std::vector<std::string> cells = split_tabs(line);
  if (cells.size() == width) return cells;
  throw BadLine("expected " + std::to_string(width) + " tab-separated columns, got " +
                std::to_string(cells.size()));
}

std::vector<size_t> find_columns(const std::vector<std::string>& header,
                                 const std::vector<std::string>& names, const std::string& where) {
  std::vector<size_t> out;
  for (const std::string& name : names) {
    const auto count = std::ranges::count(header, name);
    if (count != 1) {
      std::string columns;
      for (const std::string& column : header) columns += (columns.empty() ? "" : " ") + column;
      throw UserError(where + ": expected a tab-separated header with the column " + name +
                      (count > 1 ? " once" : "") + ", got " + shown(columns));
    }
    out.push_back(static_cast<size_t>(std::ranges::find(header, name) - header.begin()));
  }
  return out;
}

ClassLabel label_index(const std::string& label, const std::vector<std::string>& labels) {
  const auto found = std::ranges::find(labels, label);
  if (found != labels.end()) return {found - labels.begin()};
  std::string list;
  for (const std::string& known : labels) list += (list.empty() ? "" : ", ") + known;
  throw BadLine("expected a label of {" + list + "}, got " + shown(label));
}

}  // namespace lait
