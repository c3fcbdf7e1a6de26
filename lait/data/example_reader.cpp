#include "lait/data/example_reader.h"

#include <algorithm>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/config/did_you_mean.h"
#include "lait/config/numbers.h"
#include "lait/data/label_reader.h"

namespace lait {
namespace {

using Json = Record::Json;

constexpr const char* kSegments = "segments";
constexpr const char* kGroups = "groups";
constexpr const char* kLabel = "label";

bool is_column_number(const std::string& text) {
  const auto number = parse_number<int64_t>(text);
  return number && *number >= 1;
}

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : between) + name;
  return out;
}

// The first of the names that the record has; the first of all if it has none.
const std::string& present(const std::vector<std::string>& names, const Record& record) {
  const auto found =
      std::ranges::find_if(names, [&](const std::string& name) { return record.find(name); });
  return found == names.end() ? names.front() : *found;
}

// The fields with which the task's own files are read: columns replace them.
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

void read_groups(const Json& groups, Example& example) {
  constexpr const char* kExpected =
      "expected \"groups\": a whole number for each segment, from 0, each the one before or one "
      "more";
  if (!groups.is_array() || groups.size() != example.segments.size())
    throw BadLine(std::string(kExpected) + ", got " + shown(groups.dump()));
  for (const auto& group : groups) {
    const int64_t before = example.groups.empty() ? -1 : example.groups.back();
    const int64_t value = group.is_number_integer() ? group.get<int64_t>() : -1;
    if (value < 0 || value < before || value > before + 1)
      throw BadLine(std::string(kExpected) + ", got " + shown(groups.dump()));
    example.groups.push_back(static_cast<int32_t>(value));
  }
}

std::string read_id(const Json& id, const std::string& field) {
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_integer()) return id.dump();
  throw BadLine("expected text or a whole number in the field \"" + field + "\", got " +
                id.type_name());
}

}  // namespace

ReadOptions read_options(const DataConfig& data) {
  return {.format = data.format,
          .columns = data.columns,
          .label_map = data.label_map,
          .skip_bad_lines = data.skip_bad_lines};
}

void check_options(const ReadOptions& options, const Task& task, LabelKind labels) {
  const std::vector<std::string> names = task.segment_names(), known = task.labels();
  const size_t columns = options.columns.segments.size();
  if (columns > 0 && !names.empty() && columns != names.size()) {
    throw UserError("data.columns.segments: expected " + std::to_string(names.size()) +
                    " columns (" + joined(names, ", ") + "), got " + std::to_string(columns));
  }
  if (columns == 0 && task.needs_columns()) {
    throw UserError("data.columns.segments: expected the columns with the segments (task " +
                    task.name() + "), e.g. [question, answer], got none");
  }
  if (options.label_map.empty()) return;
  if (labels != LabelKind::kClass)
    throw UserError("data.label_map: expected a head with classes, got another; leave it out");
  for (const auto& [from, to] : options.label_map) {
    if (known.empty() || std::ranges::count(known, to) > 0) continue;
    throw UserError("data.label_map: expected labels of {" + joined(known, ", ") + "}, got " +
                    shown(to) + did_you_mean(to, known));
  }
}

ExampleReader::ExampleReader(const Task& task, LineReader lines, const ReadOptions& options,
                             const ReadCounts& before)
    : task_(task),
      lines_(std::move(lines)),
      options_(options),
      names_(field_names(task, options.columns)),
      labels_(options.labels.empty() ? task.labels() : options.labels),
      records_(lines_, options.format == FileFormat::kAuto ? task.format() : options.format,
               [this](const std::vector<std::string>& first) { return headerless(first); }),
      file_(std::make_shared<const std::string>(lines_.name())),
      counts_(before) {}
ExampleReader::~ExampleReader() = default;

std::optional<Headerless> ExampleReader::headerless(const std::vector<std::string>& first) const {
  std::vector<std::string> given = options_.columns.segments;
  for (const auto* name : {&options_.columns.label, &options_.columns.id}) {
    if (*name) given.push_back(**name);
  }
  if (given.empty()) return task_.headerless(first);
  if (!std::ranges::all_of(given, is_column_number)) return std::nullopt;
  Headerless columns{.names = {}, .fewest_cells = first.size()};
  for (size_t i = 1; i <= first.size(); ++i) columns.names.push_back(std::to_string(i));
  return columns;
}

// A table has its fields in every row or in none: what is missing is the header's fault.
void ExampleReader::check_columns() const {
  const auto& columns = records_.columns();
  if (!columns) return;
  const std::string where = lines_.name() + ":" + std::to_string(records_.header_line());
  std::vector<std::vector<std::string>> needed = names_.segments;
  if (!options_.for_prediction) needed.push_back(names_.label);
  for (const auto& names : needed) {
    if (std::ranges::any_of(
            names, [&](const auto& name) { return std::ranges::count(*columns, name) > 0; }))
      continue;
    throw UserError(
        where + ": expected a header with the column " + joined(names, " or ") + ", got " +
        shown(joined(*columns, " ")) +
        (options_.for_prediction
             ? ""
             : "; name the columns in data.columns, e.g. {segments: [question, answer], label: "
               "gold}, or their numbers if the file has no header"));
  }
  if (names_.segments.empty()) {
    throw UserError(where + ": expected JSON lines with \"segments\", got a table" +
                    (options_.for_prediction
                         ? ""
                         : "; set task: table and name its columns in data.columns.segments"));
  }
}

void ExampleReader::read_segments(const Record& record, Example& example) {
  const Json* list = record.is_row() ? nullptr : record.find(kSegments);
  if (options_.columns.segments.empty() && (list != nullptr || names_.segments.empty())) {
    if (list == nullptr || !list->is_array() || list->empty()) {
      throw BadLine("expected \"segments\": a list of at least one text, got " +
                    (list == nullptr ? "none" : shown(list->dump())));
    }
    for (const Json& segment : *list) {
      if (!segment.is_string())
        throw BadLine(std::string("expected texts in \"segments\", got ") + segment.type_name());
      example.segments.push_back(segment.get<std::string>());
    }
    consumed_ = {kSegments, kGroups};
    // A misspelt optional field would be ignored.
    record.for_each([&](const std::string& name, const Json&) {
      if (name == kSegments || name == kGroups || name == kLabel) return;
      const std::string hint = did_you_mean(name, {kSegments, kGroups, kLabel});
      if (!hint.empty() && name.size() > 3)
        throw BadLine("expected the fields segments, label, groups and id, got " + shown(name) +
                      hint);
    });
    const Json* groups = record.find(kGroups);
    if (groups != nullptr && !groups->is_null()) read_groups(*groups, example);
  } else {
    consumed_.clear();
    for (const auto& names : names_.segments) {
      const std::string& name = present(names, record);
      example.segments.push_back(record.text(name));
      consumed_.insert(name);
    }
  }
  const size_t expected = task_.segment_names().size();
  if (expected != 0 && example.segments.size() != expected) {
    throw BadLine("expected " + std::to_string(expected) + " segments (" +
                  joined(task_.segment_names(), ", ") + "), got " +
                  std::to_string(example.segments.size()));
  }
}

std::optional<Example> ExampleReader::next(Json* others) {
  for (;;) {
    try {
      const std::optional<Record> record = records_.next();
      if (!std::exchange(columns_are_checked_, true)) check_columns();
      if (!record) return std::nullopt;
      Example example;
      read_segments(*record, example);
      const std::string& label = present(names_.label, *record);
      consumed_.insert(label);
      const std::string& id = present(names_.id, *record);
      const Json* found = record->find(id);
      if (found != nullptr && !found->is_null()) example.id = read_id(*found, id);
      if (others != nullptr) {
        *others = Json::object();
        record->for_each([&](const std::string& name, const Json& value) {
          if (!consumed_.contains(name)) (*others)[name] = value;
        });
      }
      example.origin = {file_, records_.line_number()};
      if (options_.for_prediction) return example;
      const Json* value = record->find(label);
      if (value == nullptr) throw BadLine("expected the field \"" + label + "\", got none");
      if (read_label(*value, label, task_, labels_, options_.label_map, example)) return example;
      ++counts_.unlabelled;
    } catch (const BadLine& error) {
      if (counts_.bad_lines < options_.skip_bad_lines) {
        ++counts_.bad_lines;
        continue;
      }
      const std::string way_out =
          options_.for_prediction
              ? "; expected are {\"segments\": [\"…\", \"…\"]} lines, or " + task_.formats()
          : options_.skip_key.empty() ? "; fix the line"
          : counts_.bad_lines > 0
              ? "; fix the line or raise " + options_.skip_key + " (now used up)"
              : "; fix the line or set " + options_.skip_key;
      throw UserError(lines_.name() + ":" + std::to_string(records_.line_number()) + ": " +
                      error.what() + way_out);
    }
  }
}

LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        const ReadOptions& options) {
  LabelledData data;
  for (const std::string& file : files) {
    ExampleReader reader(task, LineReader(std::filesystem::path(file)), options, data.counts);
    const size_t before = data.examples.size();
    while (auto example = reader.next()) data.examples.push_back(std::move(*example));
    data.counts = reader.counts();
    if (data.examples.size() > before) continue;
    throw UserError(file + ": expected examples of task " + task.name() + ", got " +
                    (reader.is_empty() ? "an empty file" : "none"));
  }
  return data;
}

std::string left_out(const ReadCounts& counts) {
  std::string text;
  if (counts.bad_lines > 0) text += ", " + std::to_string(counts.bad_lines) + " bad lines skipped";
  if (counts.unlabelled > 0)
    text += ", " + std::to_string(counts.unlabelled) + " without gold label left out";
  return text;
}

}  // namespace lait
