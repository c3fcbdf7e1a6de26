// --recipe NAME: the stock model, and the split one that it teaches, in DIR/stock and DIR/split.
// The results page says what a recipe was found to do.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/override.h"
#include "train/run.h"
#include "train/run_inputs.h"

namespace lait {

struct Recipe {
  std::string name, summary;
  // Gives the split model's config what the recipe says. `plain`: the inputs without it; `stock`:
  // the stock model's finished run.
  void (*apply)(Config& config, const RunInputs& plain, const std::filesystem::path& stock);
};
const std::vector<Recipe>& recipes();

// Trains what is not trained yet, as run_list, then writes DIR/report.json with a row for each run.
// The config is the split model's. Throws UserError for an unknown recipe, and for a config without
// independent layers or with a teacher of its own.
int run_recipe(const std::string& name, const std::string& config_file,
               const std::vector<Override>& overrides, const RunOptions& options, bool dry);

}  // namespace lait
