// Where checkpoints lie and which data they are evaluated on.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/task.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {

// A checkpoint's folder, and the run directory that made it where it lies in one.
struct Checkpoint {
  std::filesystem::path dir;                 // holds lait.yaml
  std::optional<std::filesystem::path> run;  // holds config.yaml
};

struct FoundCheckpoints {
  std::vector<Checkpoint> checkpoints;
  std::vector<std::filesystem::path> unfinished;  // runs without a best/ yet
};
// `dir` as a checkpoint itself, a run directory (its best/), or a folder of run directories (a sweep), ordered by name
// with numbers by value. Throws UserError saying what was expected and what is there.
FoundCheckpoints find_checkpoints(const std::filesystem::path& dir);

// Throws UserError where a report in `dir` would replace the one that a training wrote there, and where none can be written.
void check_report_folder(const std::filesystem::path& dir);

// Files of labelled examples, and what the report calls them.
struct EvaluationData {
  std::string split;
  DataFiles files;
  int64_t skip_bad_lines = 0;  // the run's, which other files are read with, too
};

// The run's files of `split`; "": its test data, else its validation data. Throws UserError where the checkpoint has no run
// directory or the run's config no such files.
EvaluationData run_data(const Checkpoint& checkpoint, const std::string& split);
// Files that the user names.
EvaluationData named_data(const Checkpoint& checkpoint, const DataFiles& files);

// The examples of the files as the checkpoint's task reads them, labels as the checkpoint numbers them. Throws UserError
// for malformed files and for labels that the checkpoint does not know.
LabelledData read_examples(const ModelSpec& spec, const EvaluationData& data);

}  // namespace lait
