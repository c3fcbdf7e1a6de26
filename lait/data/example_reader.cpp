#include "lait/data/example_reader.h"

#include <algorithm>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/config/did_you_mean.h"

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

std::string read_id(const Json& id, const std::string& field) {
  if (id.is_string()) return id.get<std::string>();
  if (id.is_number_integer()) return id.dump();
  throw BadLine("expected text or a whole number in the field \"" + field + "\", got " +
                id.type_name());
}

}  // namespace

ExampleReader::ExampleReader(const Task& task, LineReader lines, const ReadOptions& options,
                             const ReadCounts& before)
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
      before_(before),
      counts_(before) {}
ExampleReader::~ExampleReader() = default;

std::string ExampleReader::found_instead() const {
  const int64_t unlabelled = counts_.unlabelled - before_.unlabelled,
                bad_lines = counts_.bad_lines - before_.bad_lines;
  if (records_.is_empty()) return "an empty file";
  if (unlabelled > 0) {
    return "none with a gold label (" + std::to_string(unlabelled) +
           " without: null, -1 or another mark)";
  }
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

std::optional<Example> ExampleReader::next(Json* others) {
  for (;;) {
    try {
      const std::optional<Record> record = records_.next();
      if (!std::exchange(header_is_checked_, true) && records_.columns()) {
        check_header(task_, options_, *records_.columns(),
                     lines_.name() + ":" + std::to_string(records_.header_line()));
      }
      if (!record) return std::nullopt;
      Example example;
      read_segments(*record, example);
      const std::string& label = present(names_.label, *record);
      consumed_.insert(label);
      const std::string& id = present(names_.id, *record);
      const Json* found = record->find(id);
      if (found == nullptr && options_.columns.id && !for_prediction())
        throw BadLine("expected the field \"" + id + "\" (data.columns.id), got none");
      if (found != nullptr && !found->is_null()) example.id = read_id(*found, id);
      if (others != nullptr) {
        *others = Json::object();
        record->for_each([&](const std::string& name, const Json& value) {
          if (!consumed_.contains(name)) (*others)[name] = value;
        });
      }
      example.origin = {file_, records_.line_number()};
      if (for_prediction()) return example;
      const Json* value = record->find(label);
      if (value == nullptr) throw BadLine("expected the field \"" + label + "\", got none");
      if (labels_.read(*value, label, example)) return example;
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

std::optional<Example> SplitReader::next() {
  for (;;) {
    if (!reader_) {
      if (next_file_ == files_.size()) return std::nullopt;
      reader_.emplace(task_, LineReader(std::filesystem::path(files_[next_file_])), options_,
                      counts_);
      found_any_ = false;
    }
    std::optional<Example> example = reader_->next();
    counts_ = reader_->counts();
    if (example) {
      found_any_ = true;
      return example;
    }
    if (!found_any_) {
      throw UserError(files_[next_file_] + ": expected examples of task " + task_.name() +
                      ", got " + reader_->found_instead());
    }
    reader_.reset();
    ++next_file_;
  }
}

LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        const ReadOptions& options) {
  LabelledData data;
  SplitReader reader(task, files, options);
  while (auto example = reader.next()) data.examples.push_back(std::move(*example));
  data.counts = reader.counts();
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
