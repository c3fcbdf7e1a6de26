// One training run from its config to its report: data, model, training, the test split scored once.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "train/run_directory.h"

namespace lait {

struct RunOptions {
  IfExists if_exists = IfExists::kRefuse;
  bool quiet = false;
  std::string
      evaluate_with{};  // lait-eval as the user would call it, for the last line: what to type next; "": no such line
};

// Fields in which `config` would not give the run that is in `dir`, whose config.yaml is read. Not counted: where it lies, what
// it shows and keeps, its threads.
std::vector<std::string> changed_since(const std::filesystem::path& dir, const Config& config);

// Returns the exit code: 0, or 130/143 where a signal ended it (saved).
int train(const Config& config, const RunOptions& options);

// What training would take (train/estimate.h).
struct RunCost {
  int64_t memory = 0;             // bytes, beside program and data
  std::optional<double> seconds;  // nullopt: there is too little memory to measure it
};
// Prints the resolved config, the model's size, the data's lengths, the schedule's FLOPs, and the memory and time that training
// would take; for the time a few steps are run and thrown away. Writes nothing.
RunCost dry_run(const Config& config);

}  // namespace lait
