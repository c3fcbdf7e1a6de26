// From a data file to examples: the one reader for training, evaluation and prediction.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lait/base/files.h"
#include "lait/data/example.h"
#include "lait/data/label_reader.h"
#include "lait/data/read_options.h"
#include "lait/data/records.h"
#include "lait/data/task.h"

namespace lait {

struct ReadCounts {
  int64_t bad_lines = 0;     // malformed, tolerated by skip_bad_lines
  int64_t unlabelled = 0;    // left out: the file says that they have no gold label
  int64_t without_text = 0;  // left out: records without an example, e.g. claims without evidence
  int64_t bad_answers = 0;   // left out: the passage has another text at their place
  std::string first_bad_answer{};  // "file:line: question ID: expected …, got …"
};

class ExampleReader {
 public:
  // `before`: the counts of the split's files before this one; counts() goes on from them. `texts`:
  // of the task's text file; may be null.
  ExampleReader(const Task& task, LineReader lines, const ReadOptions& options,
                const ReadCounts& before = {}, std::shared_ptr<const TextTable> texts = {});
  ~ExampleReader();

  // The next example, or nullopt at the end. `others`: gets the fields that are neither a segment
  // nor groups nor label, in the file's order; null: not needed. Throws UserError "file:line:
  // expected …, got …".
  std::optional<Example> next(Record::Json* others = nullptr);
  const ReadCounts& counts() const { return counts_; }
  int64_t blank_lines() const { return records_.blank_lines(); }
  // What a file without examples has instead: "an empty file", "a header without rows".
  std::string found_instead() const;

 private:
  bool for_prediction() const { return options_.purpose == ReadFor::kPrediction; }
  // The next record that is an example.
  std::optional<Record> next_record();
  void read_segments(const Record& record, Example& example);
  // Sets the label. False: the example has none.
  bool read_label(const Record::Json& value, const std::string& field, Example& example);
  // "file:line" of the record read last.
  std::string where() const;

  const Task& task_;
  LineReader lines_;
  ReadOptions options_;
  FieldNames names_;
  LabelReader labels_;
  RecordReader records_;
  std::shared_ptr<const std::string> file_;
  std::shared_ptr<const TextTable> texts_;
  // Examples of the record read last that are still to come, the next one last.
  std::vector<Record> pending_;
  std::set<std::string> consumed_;
  ReadCounts before_, counts_;
  bool header_is_checked_ = false;
};

// The lines of a task's file or folder.
LineReader open_lines(const Task& task, const std::string& file);

// Reads the files of a split in order; skip_bad_lines is the total over them.
class SplitReader {
 public:
  // The task must outlive the reader. Throws UserError for a malformed text file of the task.
  SplitReader(const Task& task, std::vector<std::string> files, const ReadOptions& options);

  // The next example, or nullopt at the end. Throws UserError as ExampleReader does, and if a file
  // has no examples.
  std::optional<Example> next();
  const ReadCounts& counts() const { return counts_; }

 private:
  const Task& task_;
  std::vector<std::string> files_;
  ReadOptions options_;
  std::shared_ptr<const TextTable> texts_;
  std::optional<ExampleReader> reader_;  // of the file that is read
  size_t next_file_ = 0;
  bool found_any_ = false;  // in that file
  ReadCounts counts_;
};

// The examples of one split, and the counts of what was left out.
struct LabelledData {
  std::vector<Example> examples{};
  ReadCounts counts{};
};
// Reads the files of a split. Throws UserError as SplitReader does.
LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        const ReadOptions& options);
// ", 3 bad lines skipped, 5 without gold label left out"; "" if nothing was left out.
std::string left_out(const ReadCounts& counts);

}  // namespace lait
