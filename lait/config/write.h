// Writes configs: as YAML that can be run again, and as a reference of all keys.
#pragma once
#include <string>
#include <vector>

#include "lait/config/config.h"

namespace lait {

// All fields with their values. Reads back to the same config. Fields that are not set are left
// out.
std::string write_config(const Config& config);
// The same with only the given fields ("task", "model.head"), in the order of fields.h.
std::string write_fields(const Config& config, const std::vector<std::string>& names);

// The names of the fields in which two configs differ, in the order of fields.h.
std::vector<std::string> changed_fields(const Config& a, const Config& b);

// One line a key: help, what values it takes, default.
std::string config_reference();

// A YAML scalar that reads back to `text` as a config's text: quoted and escaped where needed.
// Throws UserError if it is not UTF-8.
std::string yaml_text(const std::string& text);
// Writes ${ as $${, so that it is no variable.
std::string escape_variables(const std::string& text);

}  // namespace lait
