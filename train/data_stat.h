// `lait-data stat`: lengths and repeats of a config's data, and what sharing and a cache would
// save.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/override.h"

namespace lait {

// Prints them for each split that has files; what is saved for the training data at each P, at the
// config's batch size. Also written as JSON, unless the path is empty. Throws UserError.
int data_statistics(const std::string& config, const std::vector<Override>& overrides,
                    const std::filesystem::path& json_file);

}  // namespace lait
