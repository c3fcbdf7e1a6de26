// --sweep key=a,b,c | key=a..b: one run for each value, in DIR/KEY=VALUE, one after the other.
#pragma once
#include <string>
#include <vector>

#include "train/run.h"

namespace lait {

struct Sweep {
  std::string key;
  std::vector<std::string> values;
};
// Throws UserError: no "=", no values, an empty or backward range, a value named twice.
Sweep parse_sweep(const std::string& text);

// Checks every value's config before the first run. Runs that are finished (report.json is there) are kept unless
// options say kOverwrite, stopped ones go on with kResume. Returns the exit code of train(). `dry` prints what each run that is
// not finished would take (dry_run), and their times' sum.
int run_sweep(const std::string& config_file, const std::vector<std::string>& overrides,
              const std::string& sweep, const RunOptions& options, bool dry);

}  // namespace lait
