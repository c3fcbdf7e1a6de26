#include "lait/data/read_options.h"

#include <algorithm>
#include <set>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/base/words.h"
#include "lait/config/did_you_mean.h"
#include "lait/config/numbers.h"

namespace lait {
namespace {

bool is_column_number(const std::string& text) {
  const auto number = parse_number<int64_t>(text);
  return number && *number >= 1;
}

// In lower case: what files call their fields.
const std::set<std::string>& usual_field_names() {
  static const std::set<std::string> all = [] {
    std::set<std::string> names{"text", "labels", "target", "class", "segment", "sentence"};
    for (const Task* task : all_tasks()) {
      const FieldNames fields = task->fields();
      std::vector<std::vector<std::string>> lists = fields.segments;
      lists.push_back(fields.label);
      lists.push_back(fields.id);
      for (const auto& list : lists) {
        for (const std::string& name : list) names.insert(lower(name));
      }
    }
    return names;
  }();
  return all;
}

bool is_one_word(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

// Whether the cells are names of columns, not texts and a label: single words, and a usual name
// among them.
bool looks_like_header(const std::vector<std::string>& cells) {
  return std::ranges::all_of(cells, is_one_word) &&
         std::ranges::any_of(cells, [](const std::string& cell) {
           return usual_field_names().contains(lower(cell));
         });
}

void check_columns(const DataColumns& columns, const Task& task) {
  const std::vector<std::string> names = task.segment_names();
  const size_t count = columns.segments.size();
  if (count > 0 && !task.takes_columns()) {
    throw UserError("data.columns.segments: task " + task.name() +
                    " makes its segments of its own fields; leave it out, or set task: table");
  }
  if (count > 0 && !names.empty() && count != names.size()) {
    throw UserError("data.columns.segments: expected " + std::to_string(names.size()) +
                    " columns (" + joined(names) + "), got " + std::to_string(count));
  }
  if (count == 0 && task.needs_columns()) {
    throw UserError("data.columns.segments: expected the columns with the segments (task " +
                    task.name() + "), e.g. [question, answer], got none");
  }
  std::vector<std::string> all;
  for (const auto& segment : field_names(task, columns).segments)
    all.insert(all.end(), segment.begin(), segment.end());
  // Of several names of the task's label, the first that a file has would be taken.
  const std::vector<std::string> labels =
      columns.label ? std::vector{*columns.label} : task.fields().label;
  all.insert(all.end(), labels.begin(), labels.end());
  if (columns.id) all.push_back(*columns.id);
  std::set<std::string> seen;
  for (const std::string& name : all) {
    if (seen.insert(name).second) continue;
    const bool own_label = !columns.label && std::ranges::count(labels, name) > 0;
    throw UserError("data.columns: expected each column once, got " + shown(name) + " twice" +
                    (own_label ? ": it is a name of the label; name the label's column in "
                                 "data.columns.label"
                               : ""));
  }
}

}  // namespace

ReadOptions read_options(const DataConfig& data) {
  ReadOptions options{.format = data.format,
                      .columns = data.columns,
                      .label_map = data.label_map,
                      .skip_bad_lines = data.skip_bad_lines};
  for (const auto& [key, files] : {std::pair{"data.bodies", &data.bodies},
                                   {"data.corpus", &data.corpus},
                                   {"data.wiki_pages", &data.wiki_pages}}) {
    if (!files->empty()) options.text_files[key] = *files;
  }
  return options;
}

void check_options(const ReadOptions& options, const Task& task, LabelKind labels) {
  check_columns(options.columns, task);
  const auto text_file = task.text_file();
  for (const auto& [key, files] : options.text_files) {
    if (!text_file || text_file->key != key)
      throw UserError(key + ": task " + task.name() + " has no such file; leave it out");
    if (!options.columns.segments.empty())
      throw UserError(key +
                      ": data.columns.segments names fields with the texts themselves; leave "
                      "one of them out");
  }
  if (options.label_map.empty()) return;
  if (labels != LabelKind::kClass)
    throw UserError("data.label_map: expected a head with classes, got another; leave it out");
  const std::vector<std::string> known = task.labels();
  for (const auto& [from, to] : options.label_map) {
    if (known.empty() || std::ranges::count(known, to) > 0) continue;
    throw UserError("data.label_map: expected labels of {" + joined(known) + "}, got " + shown(to) +
                    did_you_mean(to, known));
  }
}

int64_t resolve_num_segments(const DataConfig& data, const Task& task) {
  const bool has_columns = !data.columns.segments.empty();
  if (!has_columns && task.any_number_of_segments()) return data.num_segments.value_or(0);
  const int64_t fixed =
      has_columns ? std::ssize(data.columns.segments) : std::ssize(task.segment_names());
  const int64_t given = data.num_segments.value_or(fixed);
  if (fixed == 0 || given == 0 || given == fixed) return given;
  throw UserError("data.num_segments: expected " + std::to_string(fixed) + ", as " +
                  (has_columns ? "data.columns.segments" : "task " + task.name()) + " has, got " +
                  std::to_string(given) + "; leave it out");
}

FieldNames field_names(const Task& task, const DataColumns& columns) {
  FieldNames names = task.fields();
  if (!columns.segments.empty()) {
    names.segments.clear();
    for (const std::string& column : columns.segments) names.segments.push_back({column});
  }
  if (columns.label) names.label = {*columns.label};
  if (columns.id) names.id = {*columns.id};
  return names;
}

std::optional<Headerless> headerless(const Task& task, const ReadOptions& options,
                                     const std::vector<std::string>& first,
                                     const std::string& where) {
  std::vector<std::string> given = options.columns.segments;
  for (const auto* name : {&options.columns.label, &options.columns.id}) {
    if (*name) given.push_back(**name);
  }
  if (given.empty()) return task.headerless(first);
  if (!std::ranges::all_of(given, is_column_number)) return std::nullopt;
  std::vector<std::string> cells;
  for (const std::string& column : given) {
    const auto number = static_cast<size_t>(*parse_number<int64_t>(column));
    if (number <= first.size()) cells.push_back(first[number - 1]);
  }
  if (looks_like_header(cells)) {
    throw UserError(where +
                    ": expected a table without a header, whose columns data.columns gives by "
                    "number, got the header " +
                    shown(joined(first, " ")) + "; give its names in data.columns" +
                    (options.purpose == ReadFor::kPrediction
                         ? " of the checkpoint's lait.yaml, or remove that line"
                         : ", or remove that line"));
  }
  Headerless columns{.names = {}, .fewest_cells = first.size()};
  for (size_t i = 1; i <= first.size(); ++i) columns.names.push_back(std::to_string(i));
  return columns;
}

void check_header(const Task& task, const ReadOptions& options,
                  const std::vector<std::string>& columns, const std::string& where) {
  const bool training = options.purpose == ReadFor::kTraining;
  const FieldNames names = field_names(task, options.columns);
  std::vector<std::vector<std::string>> needed = names.segments;
  if (training) needed.push_back(names.label);
  if (training && options.columns.id) needed.push_back(names.id);
  const std::set<std::string> known(columns.begin(), columns.end());
  for (const auto& alternatives : needed) {
    if (std::ranges::any_of(alternatives, [&](const auto& name) { return known.contains(name); }))
      continue;
    throw UserError(
        where + ": expected a header with the column " + joined(alternatives, " or ") + ", got " +
        shown(joined(columns, " ")) +
        (training ? "; name the columns in data.columns, e.g. {segments: [question, answer], "
                    "label: gold}, or their numbers if the file has no header"
                  : "; other files are read as {\"segments\": [\"…\", \"…\"]} lines"));
  }
  if (names.segments.empty()) {
    throw UserError(
        where + ": expected JSON lines with \"segments\", got a table" +
        (training ? "; set task: table and name its columns in data.columns.segments" : ""));
  }
}

}  // namespace lait
