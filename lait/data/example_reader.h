// From a data file to examples: the one reader for training, evaluation and prediction.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lait/base/files.h"
#include "lait/data/example.h"
#include "lait/data/records.h"
#include "lait/data/task.h"

namespace lait {

// How a file is to be read, beside what its task says.
struct ReadOptions {
  FileFormat format = FileFormat::kAuto;
  // Names instead of the task's; the number of a column (from 1) where a table has no header.
  DataColumns columns{};
  // Labels as the file writes them, and which label they mean.
  LabelMap label_map{};
  // The classes by index, if not in the task's order.
  std::vector<std::string> labels{};
  // Malformed records tolerated in total; one more throws.
  int64_t skip_bad_lines = 0;
  // What sets skip_bad_lines, for the message; "": nothing that the user has.
  std::string skip_key = "data.skip_bad_lines";
  // Prediction: labels are neither needed nor read.
  bool for_prediction = false;
};
// Of a config, or of a checkpoint's lait.yaml.
ReadOptions read_options(const DataConfig& data);
// Throws UserError "data.KEY: …" if the options' columns and labels are not those of the task.
void check_options(const ReadOptions& options, const Task& task, LabelKind labels);

struct ReadCounts {
  int64_t bad_lines = 0;   // malformed, tolerated by skip_bad_lines
  int64_t unlabelled = 0;  // left out: the file says that they have no gold label
};

class ExampleReader {
 public:
  // `before`: the counts of the split's files before this one; counts() goes on from them.
  ExampleReader(const Task& task, LineReader lines, const ReadOptions& options,
                const ReadCounts& before = {});
  ~ExampleReader();

  // The next example, or nullopt at the end. `others`: gets the fields that are neither a segment
  // nor groups nor label, in the file's order; null: not needed. Throws UserError "file:line:
  // expected …, got …".
  std::optional<Example> next(Record::Json* others = nullptr);
  const ReadCounts& counts() const { return counts_; }
  int64_t blank_lines() const { return records_.blank_lines(); }
  // Whether the file has no line that is not blank.
  bool is_empty() const { return records_.is_empty(); }

 private:
  void read_segments(const Record& record, Example& example);
  void check_columns() const;
  std::optional<Headerless> headerless(const std::vector<std::string>& first) const;

  const Task& task_;
  LineReader lines_;
  ReadOptions options_;
  FieldNames names_;
  std::vector<std::string> labels_;
  RecordReader records_;
  std::shared_ptr<const std::string> file_;
  std::set<std::string> consumed_;
  ReadCounts counts_;
  bool columns_are_checked_ = false;
};

// The examples of one split, and the counts of what was left out.
struct LabelledData {
  std::vector<Example> examples{};
  ReadCounts counts{};
};
// Reads the files of a split in order; skip_bad_lines is the total over them. Throws UserError as
// ExampleReader does, and if a file has no examples.
LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        const ReadOptions& options);
// ", 3 bad lines skipped, 5 without gold label left out"; "" if nothing was left out.
std::string left_out(const ReadCounts& counts);

}  // namespace lait
