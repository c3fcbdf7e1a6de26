// lait/data/: tasks and their files, the tokenized data set, packing.
//
// Tasks: what the segments are called, which labels there are, how the native files are read. One file a task in
// lait/data/task_*.cpp, found through the one list in tasks.cpp.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/data/example.h"

namespace lait {

struct ReadOptions {
  int64_t skip_bad_lines = 0;  // malformed lines tolerated in all; one more throws
};

struct ReadCounts {
  int64_t bad_lines = 0;  // malformed, tolerated through skip_bad_lines
  // Dropped because the native format marks them as without gold label (SNLI's "-").
  int64_t unlabelled = 0;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  // E.g. {"premise", "hypothesis"}; empty: any number (jsonl).
  virtual std::vector<std::string> segment_names() const = 0;
  virtual LabelKind label_kind() const { return LabelKind::kClass; }
  // Classes by index; empty: none of label_kind's, or found in the data (jsonl).
  virtual std::vector<std::string> labels() const = 0;
  // Whether the labels are whatever the training data has; see labels.h. jsonl only: classes or numbers, as the head
  // takes them.
  virtual bool open_labels() const { return false; }
  // Of labels of that kind: names known to eval/metrics.h; the first selects the best checkpoint.
  virtual std::vector<std::string> metrics(LabelKind labels) const = 0;
  // Texts that a family which was trained with prompts (T5) has before the segments, by segment; others leave them out.
  virtual std::vector<std::string> prompts() const { return {}; }
  // One line for --help and errors: the files it reads.
  virtual std::string formats() const = 0;
  // Appends the examples of one file, in the file's order. Throws UserError "file:line: expected …, got …".
  virtual void read(const std::filesystem::path& file, const ReadOptions& options,
                    std::vector<Example>& out, ReadCounts& counts) const = 0;
};

// The examples of one split, and what was left out of them.
struct LabelledData {
  std::vector<Example> examples{};
  ReadCounts counts{};
};
// Reads the files of a split one after the other; skip_bad_lines is of all of them. Throws UserError: as Task::read, and
// where the files have no examples.
LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        int64_t skip_bad_lines);
// ", 3 bad lines skipped, 5 without gold label left out"; "" where nothing was.
std::string left_out(const ReadCounts& counts);

std::vector<std::string> task_names();
// The list. find_task throws UserError naming the known tasks and the nearest one.
const std::vector<const Task*>& all_tasks();
const Task& find_task(const std::string& name);

}  // namespace lait
