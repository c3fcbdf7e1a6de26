// Configs written: as YAML that runs again, and as the reference of all keys.
#pragma once
#include <string>
#include <vector>

#include "lait/config/config.h"

namespace lait {

// All fields with their values; it reads back to the same config. Fields that are not set are left
// out.
std::string write_config(const Config& config);
// The same of some fields ("task", "model.head"), in the order of fields.h.
std::string write_fields(const Config& config, const std::vector<std::string>& names);

// Names of the fields in which two configs differ, as they are written.
std::vector<std::string> changed_fields(const Config& a, const Config& b);

// A line for each key with its default, what it may be and what it is for.
std::string config_reference();

// `text` as a YAML scalar that reads back to it as a config's text: quoted and escaped where needed.
// Throws UserError where it is not UTF-8.
std::string yaml_text(const std::string& text);

}  // namespace lait
