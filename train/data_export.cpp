#include "train/data_export.h"

#include <algorithm>
#include <filesystem>
#include <variant>

#include "lait/base/error.h"
#include "lait/base/text_output.h"
#include "lait/model/head.h"

namespace lait {
namespace {

using Json = Record::Json;

// The plain name, if the task's files may call the field so.
std::string name_of(const std::vector<std::string>& names, const char* plain) {
  return std::ranges::count(names, plain) > 0 ? plain : names.front();
}

// How the lines call their fields, and what their labels are.
struct Form {
  FieldNames names{};
  bool own_columns = false;
  std::vector<std::string> labels{};
};

std::string line_of(const Example& example, const Form& form) {
  Json line = Json::object();
  if (form.own_columns) {
    for (size_t i = 0; i < example.segments.size(); ++i)
      line[form.names.segments[i].front()] = example.segments[i];
  } else {
    line["segments"] = example.segments;
  }
  if (!example.groups.empty()) line["groups"] = example.groups;
  const std::string label = name_of(form.names.label, "label");
  if (const auto* of_class = std::get_if<ClassLabel>(&example.label)) {
    line[label] = form.labels[static_cast<size_t>(of_class->index)];
  } else if (const auto* number = std::get_if<NumberLabel>(&example.label)) {
    line[label] = number->value;
  } else {
    line[label] = example.label_text;
  }
  if (!example.id.empty()) line[name_of(form.names.id, "id")] = example.id;
  for (const auto& [names, value] : {std::pair{&form.names.query, &example.query},
                                     std::pair{&form.names.passage, &example.passage}}) {
    // A column of one's own may have the field's name, and then its value.
    if (!names->empty() && !value->empty() && !line.contains(names->front()))
      line[names->front()] = *value;
  }
  return line.dump() + "\n";
}

}  // namespace

Exported export_data(const Config& config, const ExportOptions& options) {
  const Task& task = find_task(config.task);
  const LabelKind kind =
      config.model.head ? label_kind(find_head(*config.model.head), task) : task.label_kind();
  if (kind == LabelKind::kSpans)
    throw UserError("task " + task.name() +
                    ": expected examples with a class or a number as label; its answers are places "
                    "in the passage, which lines of segments cannot name; edit the file itself");
  const ReadOptions reading = read_options(config.data);
  check_options(reading, task, kind);
  const DataFiles& files = config.data.files_of(options.split);
  if (files.empty())
    throw UserError("data." + options.split + ": expected files to export, got none");
  const std::filesystem::path output = options.output;
  if (std::filesystem::is_regular_file(output))
    throw UserError("--output: " + options.output + " exists; name another file");
  if (output.extension() == ".gz")
    throw UserError("--output: " + options.output + ": plain text is written; leave out .gz");
  const Form form{.names = field_names(task, reading.columns),
                  .own_columns = !reading.columns.segments.empty(),
                  .labels = task.labels()};
  Exported exported;
  SplitReader reader(task, files, reading);
  TextOutput out(options.output);
  while (const auto example = reader.next()) {
    out.write(line_of(*example, form));
    ++exported.examples;
  }
  out.finish();
  exported.counts = reader.counts();
  return exported;
}

}  // namespace lait
