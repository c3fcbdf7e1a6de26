// A config's text as values by dotted name ("training.epochs"), with only the names checked; and
// the list of mistakes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "lait/config/yaml_tree.h"

namespace lait {

// Collects everything that is wrong with a config, to report it at once in the order of the lines.
class Problems {
 public:
  void add(const Origin& origin, int line, const std::string& what);
  // Throws one UserError with a line for each problem, if there is any.
  void throw_if_any() const;

 private:
  struct Problem {
    int override_number;
    int line;
    std::string text;
  };
  std::vector<Problem> problems_;
};

struct FieldValue {
  YamlNode node;
  Origin origin;
  int line = 0;  // of the key
};
using FieldValues = std::map<std::string, FieldValue>;

// The names of all fields, in the order of visit_fields.
std::vector<std::string> field_names();

// Splits a config into values by name. Unknown and repeated keys become problems, unknown ones with
// the nearest known name.
class FieldCollector {
 public:
  explicit FieldCollector(Problems& problems);
  // A whole config: a mapping of sections (task, model, …), or an empty text.
  FieldValues from_config(const YamlNode& root, const Origin& origin) const;
  // "key=value", where the value is YAML. The key is a field or a section ("training={epochs: 2}").
  // If a key is repeated, the last one wins.
  FieldValues from_overrides(const std::vector<std::string>& overrides) const;

 private:
  void add_map(const YamlNode& map, const std::string& prefix, const Origin& origin,
               FieldValues& out) const;
  void add(const std::string& name, FieldValue value, FieldValues& out) const;
  std::string suggestion(const std::string& name) const;

  Problems& problems_;
  std::vector<std::string> names_;
  std::vector<std::string> sections_;
};

}  // namespace lait
