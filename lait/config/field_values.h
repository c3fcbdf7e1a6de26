// A config's text as values by dotted name ("training.epochs"), with only the names checked; and
// the list of mistakes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "lait/config/override.h"
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
// the nearest known name. A key of a section can also be written with its dot (training.epochs: 2).
class FieldCollector {
 public:
  explicit FieldCollector(Problems& problems);
  // A whole config: a mapping of sections (task, model, …), or an empty text.
  FieldValues from_config(const YamlNode& root, const Origin& origin) const;
  // The key is a field or a section ("training={epochs: 2}"). An empty value becomes kNull, for
  // every field of a section. If a key is repeated, the last one wins.
  FieldValues from_overrides(const std::vector<Override>& overrides) const;

 private:
  // Where the keys of one text were first seen, by their whole names.
  using FirstLines = std::map<std::string, int>;

  YamlNode override_value(const std::string& name, const std::string& value,
                          const Origin& origin) const;
  void add_map(const YamlNode& map, const std::string& prefix, const Origin& origin,
               FirstLines& first_lines, FieldValues& out) const;
  void add(const std::string& name, FieldValue value, FirstLines& first_lines,
           FieldValues& out) const;
  void reset_section(const std::string& section, const FieldValue& value, FieldValues& out) const;
  std::string suggestion(const std::string& name) const;

  Problems& problems_;
  std::vector<std::string> names_;
  std::vector<std::string> sections_;
  std::vector<std::string> texts_;  // the fields that take a text, brackets or not
};

}  // namespace lait
