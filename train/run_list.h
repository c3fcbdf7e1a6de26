// Several runs one after another, in folders of one folder: those of a sweep, of a recipe.
#pragma once
#include <string>
#include <vector>

#include "train/run.h"

namespace lait {

struct ListedRun {
  std::string name;
  Config config;
};

// Its folder becomes output.dir/NAME. Throws UserError if there is no output.dir.
void move_into_own_folder(ListedRun& run);

// Checks every config before the first run. Finished runs (those with a report.json) are kept
// unless options say kOverwrite; stopped runs continue with kResume. Returns the exit code of
// train(). With `dry`, prints the cost of each unfinished run (dry_run) and the sum of their times.
// `list`: what they are, for messages. REQUIRES: one folder has those of all runs.
int run_list(const std::string& list, const std::vector<ListedRun>& runs, const RunOptions& options,
             bool dry);

}  // namespace lait
