// A label as a file writes it, as the label of an example.
#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lait/data/example.h"
#include "lait/data/records.h"
#include "lait/data/task.h"

namespace lait {

class LabelReader {
 public:
  // `classes`: by index; empty: none are known.
  LabelReader(const Task& task, const std::vector<std::string>& classes, const LabelMap& label_map);

  // Sets example.label, or label_text where the labels come from the data. Returns false if the
  // value says that there is no gold label: null or the task's marks, and -1 where the classes are
  // known. A class is its name in any letter case, a name of the label map or of the task's
  // aliases, or its index: 1, "1", 1.0. Where the map has numbers, they are no indexes: each number
  // must be in it. Throws BadLine.
  bool read(const Record::Json& value, const std::string& field, Example& example) const;

 private:
  const std::string* mapped(const std::string& text) const;
  std::optional<int64_t> named(const std::string& text) const;
  std::optional<ClassLabel> class_of(const std::string& text) const;

  const Task& task_;
  std::vector<std::string> classes_, no_gold_;
  // The classes by name, and by name in lower case; -1: several.
  std::unordered_map<std::string, int64_t> by_name_, by_lower_name_;
  // The map by text, and by the value of a text that is a whole number.
  std::unordered_map<std::string, std::string> map_;
  std::unordered_map<int64_t, std::string> map_of_numbers_;
};

}  // namespace lait
