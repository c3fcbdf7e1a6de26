// Finds checkpoints and the data to evaluate them on.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/example_reader.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {

// The folder of a checkpoint, and the run directory around it if there is one.
struct Checkpoint {
  std::filesystem::path dir;                 // holds lait.yaml
  std::optional<std::filesystem::path> run;  // holds config.yaml
};

struct FoundCheckpoints {
  std::vector<Checkpoint> checkpoints;
  std::vector<std::filesystem::path> unfinished;  // runs that have no best/ yet
};
// `dir` can be a checkpoint, a run directory (its best/) or a folder of run directories (a sweep).
// Runs are sorted by name, numbers in them by value. Throws UserError that says what was expected
// and what was found.
FoundCheckpoints find_checkpoints(const std::filesystem::path& dir);

// Throws UserError if a report in `dir` would replace the report of a training, or if `dir` cannot
// be written.
void check_report_folder(const std::filesystem::path& dir);

// Files of labelled examples, and their name in the report.
struct EvaluationData {
  std::string split;
  DataFiles files;
  // As in the run's config. Also applies to files given with --data. Without a run no line is
  // skipped.
  int64_t skip_bad_lines = 0;
  std::string skip_key{};  // what sets it, for messages
  // As in the run's config (ReadOptions).
  std::map<std::string, DataFiles> text_files{};
  // Of the run, if there is one (EvaluationNames).
  std::optional<uint64_t> seed{};
  std::string config{};
};

// The run's files of `split`. For "", its test data, or its validation data if it has no test data.
// Throws UserError if the checkpoint has no run directory or the run's config has no such files.
EvaluationData run_data(const Checkpoint& checkpoint, const std::string& split);
// Files that the user named.
EvaluationData named_data(const Checkpoint& checkpoint, const DataFiles& files);

// The examples of the files as read by the checkpoint's task, with labels numbered as in the
// checkpoint. Throws UserError for malformed files and for labels that the checkpoint does not
// know.
LabelledData read_examples(const ModelSpec& spec, const EvaluationData& data);

}  // namespace lait
