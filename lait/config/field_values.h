// A config's text as values by dotted name ("training.epochs"), checked for the names alone; and the list of mistakes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "lait/config/yaml_tree.h"

namespace lait {

// All that is wrong with a config; it is thrown at once, in the order of the lines.
class Problems {
 public:
  void add(const Origin& origin, int line, const std::string& what);
  // Throws one UserError, a line for each problem, where there is any.
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

// Takes texts apart into values. Unknown and repeated keys become problems, unknown ones with the nearest known name.
class FieldCollector {
 public:
  explicit FieldCollector(Problems& problems);
  // A whole config: a mapping of sections (task, model, …), or nothing.
  FieldValues from_config(const YamlNode& root, const Origin& origin) const;
  // "key=value", the value in YAML; the key is a field or a section ("training={epochs: 2}"). The last of one key counts.
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
