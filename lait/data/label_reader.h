// A label as a file writes it, as the label of an example.
#pragma once
#include <string>
#include <vector>

#include "lait/data/example.h"
#include "lait/data/records.h"
#include "lait/data/task.h"

namespace lait {

// Sets example.label, or label_text where the labels come from the data. Returns false if the value
// says that there is no gold label: null or the task's marks, and -1 where the classes are known.
// `classes`: by index; empty: none are known. A class is its name in any letter case, a name of
// `label_map` or of the task's aliases, or its index: 1, "1", 1.0. Throws BadLine.
bool read_label(const Record::Json& value, const std::string& field, const Task& task,
                const std::vector<std::string>& classes, const LabelMap& label_map,
                Example& example);

}  // namespace lait
