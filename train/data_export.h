// `lait-data export`: writes the examples that a task makes of its files as JSON lines, which the
// same task reads as equal examples. So one sees what a model gets, and can edit or thin it out.
//
//   {"segments": ["…", "…"], "groups": [0, 1], "label": "entailment", "id": "7"}
//
// Where data.columns names the segments, a line has fields of these names instead. A query or a
// passage that metrics group examples by is a field with the task's name for it.
#pragma once
#include <cstdint>
#include <string>

#include "lait/config/config.h"
#include "lait/data/example_reader.h"

namespace lait {

struct ExportOptions {
  // "train", "validation" or "test".
  std::string split = "train";
  // The file to write; "": standard output.
  std::string output{};
};
struct Exported {
  int64_t examples = 0;
  ReadCounts counts{};
};

// Throws UserError: the split has no files, what the reader throws, the task's labels are places in
// a passage (such lines cannot say them), the output exists; no file is written then.
Exported export_data(const Config& config, const ExportOptions& options);

}  // namespace lait
