// lait/data/: tasks and their files, the tokenized data set, packing.
//
// A task: the names of its segments, its labels, and what its native files call their fields.
// records.h knows the files' formats, example_reader.h turns records into examples. One file per
// task, lait/data/task_*.cpp; tasks.cpp is the list.
#pragma once
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/example.h"
#include "lait/data/label.h"
#include "lait/data/records.h"
#include "lait/data/text_table.h"

namespace lait {

// What a task's files call their fields. Of several names the first that a record has counts.
struct FieldNames {
  // One list for each segment; empty: records have "segments", a list of texts.
  std::vector<std::vector<std::string>> segments{};
  std::vector<std::string> label{"label"};
  std::vector<std::string> id{"id", "idx"};
  // What metrics group examples by (Example::query and passage); empty: nothing.
  std::vector<std::string> query{}, passage{};
};

// The file that examples take texts from which they name by an id.
struct TextFile {
  // Of the config: "data.bodies".
  std::string key;
  // Whether to read only the texts that the examples name: the file has far more.
  bool by_need = false;
  // Adds the texts of one file. Throws UserError if it is malformed, and for an id that is there.
  void (*read)(const std::string& path, WantedIds wanted, TextTable& texts) = nullptr;
};

// What a family that was trained with prompts (T5) reads and writes.
struct Prompts {
  // In the order of its input: a segment, and the text before it. Empty: segments as they are.
  struct Part {
    int32_t segment = 0;
    std::string text = {};
    // What is done to the segment's text first; null: nothing.
    std::string (*clean)(std::string text) = nullptr;
  };
  std::vector<Part> parts = {};
  // What it writes for each of labels(), in their order; empty: the label's name.
  std::vector<std::string> labels = {};
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
  // Whether the training data defines the labels; see labels.h. Classes or numbers, as the head
  // expects.
  virtual bool open_labels() const { return false; }
  // Labels as some files write them, and which label they mean.
  virtual LabelMap label_aliases() const { return {}; }
  // What files write instead of a class where an example has none, e.g. SNLI's "-".
  virtual std::vector<std::string> no_gold_labels() const { return {}; }
  // Of number labels.
  virtual double lowest_score() const { return -std::numeric_limits<double>::infinity(); }
  virtual double highest_score() const { return std::numeric_limits<double>::infinity(); }
  // For labels of that kind: names known to eval/metrics.h, which adds those of every classifier;
  // the first selects the best checkpoint.
  virtual std::vector<std::string> metrics(LabelKind labels) const = 0;
  // Families without prompts ignore them.
  virtual Prompts prompts() const { return {}; }
  // One line for --help and errors: the files that it reads.
  virtual std::string formats() const = 0;
  virtual FieldNames fields() const = 0;
  // Whether examples differ in their number of segments; segment_names() is then empty.
  virtual bool any_number_of_segments() const { return false; }
  // Of labels that the training data define: those that belong together, in their order. The labels
  // of a run must be of one set. Empty: any labels.
  virtual std::vector<std::vector<std::string>> label_sets() const { return {}; }
  // The lines of its file or folder, if these are not the lines of one text file.
  virtual std::optional<LineReader> open(const std::string&) const { return std::nullopt; }
  virtual std::optional<TextFile> text_file() const { return std::nullopt; }
  // The ids of the texts that the record names; for text files that are read by need.
  virtual std::vector<std::string> text_ids(const Record&) const { return {}; }
  // The examples of a record of its files: records with the fields() or with "segments" and
  // "groups". None: the record is left out, and counted. `texts` is null if the config names no
  // text file. Throws BadLine. (Not called if data.columns names the segments.)
  virtual std::vector<Record> examples_of(Record record, const TextTable* texts) const;
  // Whether data.columns may name the segments; false: examples_of makes them of other fields.
  virtual bool takes_columns() const { return true; }
  // Sets the query and the passage of an example whose record names none.
  virtual void complete(Example&) const {}
  // Whether data.columns.segments must name the segments.
  virtual bool needs_columns() const { return false; }
  // The format that kAuto means; kAuto: found in the file.
  virtual FileFormat format() const { return FileFormat::kAuto; }
  // Given a table's first row: the columns, if it is a native file without a header.
  virtual std::optional<Headerless> headerless(const std::vector<std::string>&) const {
    return std::nullopt;
  }
};

// One record.
std::vector<Record> records(Record::Json example);

std::vector<std::string> task_names();
// The list. find_task throws UserError naming the known tasks and the closest name.
const std::vector<const Task*>& all_tasks();
const Task& find_task(const std::string& name);

}  // namespace lait
