#include "lait/data/task_lines.h"

#include <algorithm>

#include "lait/error.h"

namespace lait {
namespace {

constexpr int kMaxDepth = 64;  // of JSON: the parser's memory is freed recursively
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
      if (++depth > kMaxDepth) return true;
    } else if (text[i] == '}' || text[i] == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

void for_each_line(LineReader& reader, const std::filesystem::path& file, const ReadOptions& options, ReadCounts& counts,
                   const std::function<void(const std::string&)>& body) {
  int64_t bad = 0;
  while (const auto line = reader.next()) {
    if (is_blank(*line)) continue;
    try {
      body(*line);
    } catch (const BadLine& error) {
      if (++bad > options.skip_bad_lines) {
        throw UserError(reader.where() + ": " + error.what() + "; mend the line" +
                        (options.skip_bad_lines > 0 ? " or raise data.skip_bad_lines (now used up)" : " or set data.skip_bad_lines"));
      }
      ++counts.bad_lines;
    }
  }
  if (reader.line_number() == 0) throw UserError(file.string() + ": expected examples, got an empty file");
}

nlohmann::json parse_object(const std::string& line) {
  if (too_deep(line)) throw BadLine("expected JSON of at most " + std::to_string(kMaxDepth) + " levels, got more");
  auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw BadLine("expected a JSON object, got " + shown(line));
  return json;
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

std::vector<size_t> find_columns(const std::string& header, const std::vector<std::string>& names, const std::filesystem::path& file) {
  const std::vector<std::string> columns = split_tabs(header);
  std::vector<size_t> out;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(columns, name);
    if (found == columns.end()) throw UserError(file.string() + ":1: expected a tab-separated header with the column " + name + ", got " + shown(header));
    out.push_back(static_cast<size_t>(found - columns.begin()));
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
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + (size < text.size() ? "…'" : "'");
}

}  // namespace lait
