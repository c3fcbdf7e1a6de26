#include "lait/data/task_lines.h"

#include <algorithm>
#include <set>

#include "lait/error.h"

namespace lait {
namespace {

constexpr int kMostLevels = 64;  // of JSON: the parser's memory is freed recursively
constexpr size_t kShownBytes = 60;

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r") == std::string::npos; }

bool too_deep(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\') ++i;
      else if (text[i] == '"') in_string = false;
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '{' || text[i] == '[') {
      if (++depth > kMostLevels) return true;
    } else if (text[i] == '}' || text[i] == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::string first_line(LineReader& reader, const std::filesystem::path& file) {
  while (auto line = reader.next()) {
    if (!is_blank(*line)) return std::move(*line);
  }
  throw UserError(file.string() + ": expected examples, got an empty file");
}

void for_each_line(LineReader& reader, const std::filesystem::path& file, const ReadOptions& options, ReadCounts& counts,
                   const std::function<void(const std::string&)>& body, std::optional<std::string> first) {
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
        throw UserError(reader.where() + ": " + error.what() + "; mend the line" +
                        (spent ? " or raise data.skip_bad_lines (now used up)" : " or set data.skip_bad_lines"));
      }
      ++counts.bad_lines;
    }
  }
  if (!any) throw UserError(file.string() + ": expected examples, got " + (reader.line_number() == 0 ? "an empty file" : "none"));
}

nlohmann::json parse_object(const std::string& line) {
  using nlohmann::json;
  // The parser takes a NUL for the end of the text and would not see what stands behind it.
  if (const size_t nul = line.find('\0'); nul != line.npos) throw BadLine("expected JSON, got a NUL at byte " + std::to_string(nul + 1));
  if (too_deep(line)) throw BadLine("expected JSON of at most " + std::to_string(kMostLevels) + " levels, got more");
  std::vector<std::set<std::string>> open_objects;
  const auto each_field_once = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) open_objects.pop_back();
    if (event == json::parse_event_t::key && !open_objects.back().insert(value.get<std::string>()).second) {
      throw BadLine("expected each field once, got " + shown(value.get<std::string>()) + " twice");
    }
    return true;
  };
  json object;
  try {
    object = json::parse(line, each_field_once);
  } catch (const json::parse_error& error) {
    const bool utf8 = std::string_view(error.what()).find("UTF-8") != std::string_view::npos;
    throw BadLine("expected a JSON object, got " + (utf8 ? "invalid UTF-8" : shown(line)) + ", wrong at byte " + std::to_string(error.byte));
  } catch (const json::out_of_range&) {
    throw BadLine("expected JSON, got a number that is too large");
  }
  if (!object.is_object()) throw BadLine("expected a JSON object, got " + shown(line));
  return object;
}

std::string text_field(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) throw BadLine(std::string("expected the field \"") + name + "\", got none");
  if (!found->is_string()) throw BadLine(std::string("expected text in the field \"") + name + "\", got " + found->type_name());
  return found->get<std::string>();
}

std::vector<std::string> split_tabs(const std::string& line) {
  std::vector<std::string> out;
  for (size_t begin = 0;;) {
    const size_t tab = line.find('\t', begin);
    out.push_back(line.substr(begin, tab == std::string::npos ? tab : tab - begin));
    if (tab == std::string::npos) return out;
    begin = tab + 1;
  }
}

std::vector<std::string> split_cells(const std::string& line, size_t width) {
  std::vector<std::string> cells = split_tabs(line);
  if (cells.size() == width) return cells;
  throw BadLine("expected " + std::to_string(width) + " tab-separated columns, got " + std::to_string(cells.size()));
}

std::vector<size_t> find_columns(const std::vector<std::string>& header, const std::vector<std::string>& names, const std::string& where) {
  std::vector<size_t> out;
  for (const std::string& name : names) {
    const auto count = std::ranges::count(header, name);
    if (count != 1) {
      std::string columns;
      for (const std::string& column : header) columns += (columns.empty() ? "" : " ") + column;
      throw UserError(where + ": expected a tab-separated header with the column " + name + (count > 1 ? " once" : "") + ", got " + shown(columns));
    }
    out.push_back(static_cast<size_t>(std::ranges::find(header, name) - header.begin()));
  }
  return out;
}

double label_index(const std::string& label, const std::vector<std::string>& labels) {
  const auto found = std::ranges::find(labels, label);
  if (found != labels.end()) return static_cast<double>(found - labels.begin());
  std::string list;
  for (const std::string& known : labels) list += (list.empty() ? "" : ", ") + known;
  throw BadLine("expected a label of {" + list + "}, got " + shown(label));
}

std::string shown(std::string_view text) {
  size_t size = std::min(text.size(), kShownBytes);
  while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;  // whole characters
  std::string out = "'";
  for (const char c : text.substr(0, size)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  return out + (size < text.size() ? "…'" : "'");
}

}  // namespace lait
