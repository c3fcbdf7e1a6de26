// lait/data/: tasks and their files, the tokenized data set, packing.
//
// A task: the names of its segments, its labels, and the reader of its native files. One file per
// task, lait/data/task_*.cpp; tasks.cpp is the list.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/data/example.h"

namespace lait {

struct ReadOptions {
  int64_t skip_bad_lines = 0;  // malformed lines tolerated in total; one more throws
  // What sets skip_bad_lines, for the message; "": nothing that the user has.
  std::string skip_key = "data.skip_bad_lines";
};

struct ReadCounts {
  int64_t bad_lines = 0;  // malformed, tolerated by skip_bad_lines
  // Left out because the native format marks them as without gold label (SNLI's "-").
  int64_t unlabelled = 0;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  // E.g. {"premise", "hypothesis"}; empty: any number (jsonl).
  virtual std::vector<std::string> segment_names() const = 0;
  virtual LabelKind label_kind() const { return LabelKind::kClass; }
  // Classes by index; empty: label_kind is not classes, or the classes come from the data (jsonl).
  virtual std::vector<std::string> labels() const = 0;
  // Whether the training data defines the labels; see labels.h. Only jsonl: classes or numbers, as
  // the head expects.
  virtual bool open_labels() const { return false; }
  // For labels of that kind: names known to eval/metrics.h, which adds those of every classifier; the
  // first selects the best checkpoint.
  virtual std::vector<std::string> metrics(LabelKind labels) const = 0;
  // Texts that a family trained with prompts (T5) puts before the segments, by segment; other
  // families ignore them.
  virtual std::vector<std::string> prompts() const { return {}; }
  // One line for --help and errors: the files that it reads.
  virtual std::string formats() const = 0;
  // Appends the examples of one file, in the file's order. Throws UserError "file:line: expected …,
  // got …".
  virtual void read(const std::filesystem::path& file, const ReadOptions& options,
                    std::vector<Example>& out, ReadCounts& counts) const = 0;
};

// The examples of one split, and the counts of what was left out.
struct LabelledData {
  std::vector<Example> examples{};
  ReadCounts counts{};
};
// Reads the files of a split in order; skip_bad_lines is the total over them. Throws UserError as
// Task::read does, and if the files have no examples.
LabelledData read_files(const Task& task, const std::vector<std::string>& files,
                        const ReadOptions& options);
// ", 3 bad lines skipped, 5 without gold label left out"; "" if nothing was left out.
std::string left_out(const ReadCounts& counts);

std::vector<std::string> task_names();
// The list. find_task throws UserError naming the known tasks and the closest name.
const std::vector<const Task*>& all_tasks();
const Task& find_task(const std::string& name);

}  // namespace lait
