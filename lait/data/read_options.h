// How a data file is to be read beside what its task says, and the checks of that before its rows
// are read.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lait/data/records.h"
#include "lait/data/task.h"

namespace lait {

struct ReadOptions {
  FileFormat format = FileFormat::kAuto;
  // Names instead of the task's; the number of a column (from 1) where a table has no header.
  DataColumns columns{};
  // Labels as the file writes them, and which label they mean.
  LabelMap label_map{};
  // The classes by index, if not in the task's order.
  std::vector<std::string> labels{};
  // The files with texts that examples name, by the config's key.
  std::map<std::string, DataFiles> text_files{};
  // Malformed records tolerated in total; one more throws.
  int64_t skip_bad_lines = 0;
  // What sets skip_bad_lines, for the message; "": nothing that the user has.
  std::string skip_key = "data.skip_bad_lines";
  // kPrediction: labels are neither needed nor read.
  ReadFor purpose = ReadFor::kTraining;
};
// Of a config, or of a checkpoint's lait.yaml.
ReadOptions read_options(const DataConfig& data);
// Throws UserError "data.KEY: …" if the options' columns and labels are not those of the task, or
// if a column is named twice.
void check_options(const ReadOptions& options, const Task& task, LabelKind labels);

// Segments of every example; 0: any number, or that of the first training example. Throws UserError
// if data.num_segments is another number than the task or the columns have.
int64_t resolve_num_segments(const DataConfig& data, const Task& task);

// The fields with which the task's own files are read: columns replace them.
FieldNames field_names(const Task& task, const DataColumns& columns);

// Given a table's first row, its columns if that row is no header: a native file without one, or
// data.columns has numbers. Throws UserError "where: …" if the columns have numbers and the row is
// a header nevertheless.
std::optional<Headerless> headerless(const Task& task, const ReadOptions& options,
                                     const std::vector<std::string>& first,
                                     const std::string& where);
// A table has its fields in every row or in none: what is missing is the header's fault. Throws
// UserError "where: …".
void check_header(const Task& task, const ReadOptions& options,
                  const std::vector<std::string>& columns, const std::string& where);

}  // namespace lait
