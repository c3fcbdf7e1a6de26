// One training run from its config to its report: data, model, training, and one evaluation of the
// test split.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/ranks/ranks.h"
#include "train/run_directory.h"

namespace lait {

struct RunOptions {
  IfExists if_exists = IfExists::kRefuse;
  bool quiet = false;
  // So many steps are recorded in RUN/profile.json (train/profile.h); 0: none.
  int64_t profile_steps = 0;
  // The user's command for lait-eval, for the last line, which says what to type next. "": no such
  // line.
  std::string evaluate_with{};
  // Where the tokenized data is kept (train/token_cache.h); "": in the run's folder.
  std::filesystem::path cache{};
  // The processes of the run. REQUIRES: not null.
  std::shared_ptr<Ranks> ranks = std::make_shared<Ranks>();
};

// The fields in which `config` differs from the config.yaml of the run in `dir`. Ignores fields
// that do not change the result: the run's folder, what it shows and keeps, its threads.
std::vector<std::string> changed_since(const std::filesystem::path& dir, const Config& config);

// Called by every rank; the first one writes and speaks. Returns the exit code: 0, or 128 + signal
// if a signal stopped it (saved).
int train(const Config& config, const RunOptions& options);

// The estimated cost of a training (train/estimate.h).
struct RunCost {
  // Bytes: the process's measured peak; not measured, or on a GPU: of the tensors.
  int64_t memory = 0;
  std::optional<double> seconds;  // nullopt: too little memory to measure it
};
// Prints the resolved config, the size of the model, the lengths of the data, the FLOPs of the
// schedule, and the memory and time that training would take. To measure both it runs a few steps
// and discards them. Writes nothing.
RunCost dry_run(const Config& config);

}  // namespace lait
