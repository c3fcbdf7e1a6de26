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

namespace {

// The ids that the records of the files name.
std::set<std::string> wanted_ids(const Task& task, const std::vector<std::string>& files,
                                 const ReadOptions& options) {
  std::set<std::string> wanted;
  for (const std::string& file : files) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error) &&
        !std::filesystem::is_directory(file, error))
      throw UserError(file + ": expected a file that can be read twice, got a pipe");
    LineReader lines = open_lines(task, file);
    RecordReader records(lines, options.format, options.purpose, {});
    for (;;) {
      try {
        const auto record = records.next();
        if (!record) break;
        for (std::string& id : task.text_ids(*record)) wanted.insert(std::move(id));
      } catch (const BadLine&) {
        // Reported when the examples are read.
      }
    }
  }
  return wanted;
}

// The texts that the examples of the files name; null if the task has none or the config no file.
std::shared_ptr<const TextTable> read_texts(const Task& task, const std::vector<std::string>& files,
                                            const ReadOptions& options) {
  const std::optional<TextFile> info = task.text_file();
  const auto given = info ? options.text_files.find(info->key) : options.text_files.end();
  if (given == options.text_files.end()) return nullptr;
  auto texts = std::make_shared<TextTable>();
  std::set<std::string> wanted;
  if (info->by_need) wanted = wanted_ids(task, files, options);
  if (info->by_need && wanted.empty()) return texts;
  for (const std::string& path : given->second)
    info->read(path, info->by_need ? &wanted : nullptr, *texts);
  return texts;
}
}  // namespace

LineReader open_lines(const Task& task, const std::string& file) {
  if (auto lines = task.open(file)) return std::move(*lines);
  return LineReader(std::filesystem::path(file));
}

SplitReader::SplitReader(const Task& task, std::vector<std::string> files,
                         const ReadOptions& options)
    : task_(task),
      files_(std::move(files)),
      options_(options),
      texts_(files_.empty() ? nullptr : read_texts(task_, files_, options_)) {}

std::optional<Example> SplitReader::next() {
  for (;;) {
    if (!reader_) {
      if (next_file_ == files_.size()) return std::nullopt;
      reader_.emplace(task_, open_lines(task_, files_[next_file_]), options_, counts_, texts_);
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
  if (counts.without_text > 0)
    text += ", " + std::to_string(counts.without_text) + " records without an example left out";
  return text;
}

}  // namespace lait
