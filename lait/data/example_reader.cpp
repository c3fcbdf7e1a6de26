#include "lait/data/example_reader.h"

#include <algorithm>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/config/did_you_mean.h"
#include "lait/data/span_labels.h"

namespace lait {
namespace {

using Json = Record::Json;

constexpr const char* kSegments = "segments";
constexpr const char* kGroups = "groups";
constexpr const char* kLabel = "label";

// The first of the names that the record has; the first of all if it has none.
const std::string& present(const std::vector<std::string>& names, const Record& record) {
  const auto found =
      std::ranges::find_if(names, [&](const std::string& name) { return record.find(name); });
  return found == names.end() ? names.front() : *found;
}

void read_list(const Json* list, Example& example) {
  if (list == nullptr || !list->is_array() || list->empty()) {
    throw BadLine("expected \"segments\": a list of at least one text, got " +
                  (list == nullptr ? "none" : shown(list->dump())));
  }
  for (const Json& segment : *list) {
    if (!segment.is_string())
      throw BadLine(std::string("expected texts in \"segments\", got ") + segment.type_name());
    example.segments.push_back(segment.get<std::string>());
  }
}

void check_spelling(const Record& record) {
  record.for_each([&](const std::string& name, const Json&) {
    if (name == kSegments || name == kGroups || name == kLabel) return;
    const std::string hint = did_you_mean(name, {kSegments, kGroups, kLabel});
    if (!hint.empty() && name.size() > 3)
      throw BadLine("expected the fields segments, label, groups and id, got " + shown(name) +
                    hint);
  });
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

}  // namespace

ExampleReader::ExampleReader(const Task& task, LineReader lines, const ReadOptions& options,
                             const ReadCounts& before, std::shared_ptr<const TextTable> texts)
    : task_(task),
      lines_(std::move(lines)),
      options_(options),
      names_(field_names(task, options.columns)),
      labels_(task, options.labels.empty() ? task.labels() : options.labels, options.label_map),
      records_(lines_, options.format == FileFormat::kAuto ? task.format() : options.format,
               options.purpose,
               [this](const std::vector<std::string>& first) {
                 return headerless(task_, options_, first, where());
               }),
      file_(std::make_shared<const std::string>(lines_.name())),
      texts_(std::move(texts)),
      before_(before),
      counts_(before) {}
ExampleReader::~ExampleReader() = default;

std::string ExampleReader::found_instead() const {
  const int64_t unlabelled = counts_.unlabelled - before_.unlabelled,
                bad_lines = counts_.bad_lines - before_.bad_lines,
                without_text = counts_.without_text - before_.without_text;
  if (records_.is_empty()) return "an empty file";
  if (unlabelled > 0) {
    return "none with a gold label (" + std::to_string(unlabelled) +
           " without: null, -1 or another mark)";
  }
  if (without_text > 0) return std::to_string(without_text) + " without an example";
  if (bad_lines > 0) return std::to_string(bad_lines) + " bad lines only";
  return records_.columns() ? "a header without rows" : "none";
}

std::string ExampleReader::where() const {
  return lines_.name() + ":" + std::to_string(records_.line_number());
}

void ExampleReader::read_segments(const Record& record, Example& example) {
  consumed_.clear();
  const Json* list = record.is_row() ? nullptr : record.find(kSegments);
  const bool own_columns = !options_.columns.segments.empty();
  // A prediction's lines may have segments whatever the training's files had.
  const bool is_list = for_prediction() && list != nullptr && list->is_array();
  if (is_list || (!own_columns && (list != nullptr || names_.segments.empty()))) {
    read_list(list, example);
    consumed_ = {kSegments, kGroups};
    // A misspelt optional field would be ignored; for prediction it is any other field.
    if (!for_prediction()) check_spelling(record);
  } else {
    for (const auto& names : names_.segments) {
      const std::string& name = present(names, record);
      example.segments.push_back(record.text(name));
      consumed_.insert(name);
    }
    // Lines of one's own have groups too, unless a segment is called so. Native files have none.
    if (!own_columns || record.is_row() || !consumed_.insert(kGroups).second) return;
  }
  const Json* groups = record.find(kGroups);
  if (groups != nullptr && !groups->is_null()) read_groups(*groups, example);
}

std::optional<Record> ExampleReader::next_record() {
  while (pending_.empty()) {
    std::optional<Record> record = records_.next();
    if (!std::exchange(header_is_checked_, true) && records_.columns()) {
      check_header(task_, options_, *records_.columns(),
                   lines_.name() + ":" + std::to_string(records_.header_line()));
    }
    if (!record || !options_.columns.segments.empty()) return record;
    pending_ = task_.examples_of(std::move(*record), texts_.get());
    std::ranges::reverse(pending_);
    if (pending_.empty() && for_prediction())
      throw BadLine("expected an example in the record, got none");
    counts_.without_text += pending_.empty();
  }
  Record record = std::move(pending_.back());
  pending_.pop_back();
  return record;
}

bool ExampleReader::read_label(const Json& value, const std::string& field, Example& example) {
  if (task_.label_kind() != LabelKind::kSpans) return labels_.read(value, field, example);
  if (value.is_null()) return false;
  const ReadSpans read =
      read_spans(value, field, example.segments.back(), std::ssize(example.segments) - 1);
  counts_.bad_answers += read.num_bad;
  if (read.num_bad > 0 && counts_.first_bad_answer.empty())
    counts_.first_bad_answer = where() + ": question " + shown(example.id) + ": " + read.first_bad;
  example.label = read.label;
  // It has an answer, but nobody knows where.
  return read.num_bad == 0 || !read.label.any_of.empty();
}

std::optional<Example> ExampleReader::next(Json* others) {
  for (;;) {
    try {
      const std::optional<Record> record = next_record();
      if (!record) return std::nullopt;
      Example example;
      read_segments(*record, example);
      const std::string& label = present(names_.label, *record);
      consumed_.insert(label);
      const std::string& id = present(names_.id, *record);
      const Json* found = record->find(id);
      if (found == nullptr && options_.columns.id && !for_prediction())
        throw BadLine("expected the field \"" + id + "\" (data.columns.id), got none");
      if (found != nullptr && !found->is_null()) example.id = id_text(*found, id);
      for (const auto& [names, to] : {std::pair{&names_.query, &example.query},
                                      std::pair{&names_.passage, &example.passage}}) {
        if (names->empty()) continue;
        const std::string& name = present(*names, *record);
        if (const Json* value = record->find(name); value != nullptr && !value->is_null())
          *to = id_text(*value, name);
      }
      if (others != nullptr) {
        *others = Json::object();
        record->for_each([&](const std::string& name, const Json& value) {
          if (!consumed_.contains(name)) (*others)[name] = value;
        });
      }
      task_.complete(example);
      example.origin = {file_, records_.line_number()};
      if (for_prediction()) return example;
      const Json* value = record->find(label);
      if (value == nullptr) throw BadLine("expected the field \"" + label + "\", got none");
      if (read_label(*value, label, example)) return example;
      ++counts_.unlabelled;
    } catch (const BadLine& error) {
      if (counts_.bad_lines < options_.skip_bad_lines) {
        ++counts_.bad_lines;
        continue;
      }
      const std::string way_out =
          for_prediction()
              ? "; expected are {\"segments\": [\"…\", \"…\"]} lines, or " + task_.formats()
          : options_.skip_key.empty() ? "; fix the line"
          : counts_.bad_lines > 0
              ? "; fix the line or raise " + options_.skip_key + " (now used up)"
              : "; fix the line or set " + options_.skip_key;
      throw UserError(where() + ": " + error.what() + way_out);
    }
  }
}

}  // namespace lait
