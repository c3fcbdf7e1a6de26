// The files of a split, one after the other.
#include <algorithm>
#include <set>

#include "lait/base/error.h"
#include "lait/data/example_reader.h"

namespace lait {

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
  if (counts.bad_answers > 0)
    text += ", " + std::to_string(counts.bad_answers) +
            " answers left out that do not stand at their offsets (the first: " +
            counts.first_bad_answer + ")";
  return text;
}

}  // namespace lait
