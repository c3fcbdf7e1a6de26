// --sweep key=a,b,c | key=a..b: one run for each value, in DIR/KEY=VALUE, one after another.
// --seeds a,b,c: one run for each seed (of each value), in DIR/seed=N or DIR/KEY=VALUE,seed=N.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lait/config/override.h"
#include "train/run.h"

namespace lait {

struct Sweep {
  std::string key;
  std::vector<std::string> values;
};
// Commas separate values, except within a value in brackets (a list). Throws UserError if there is
// no "=", no value, an empty or reversed range, or a repeated value.
Sweep parse_sweep(const std::string& text);

// As run_list (run_list.h).
// REQUIRES: one of `sweep` and `seeds` is not empty.
int run_sweep(const std::string& config_file, const std::vector<Override>& overrides,
              const std::string& sweep, const std::vector<uint64_t>& seeds,
              const RunOptions& options, bool dry);

}  // namespace lait
