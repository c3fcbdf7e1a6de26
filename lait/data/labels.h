// Labels of tasks that find them in the data (jsonl): the set is fixed by the training data, and all splits use it.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "lait/data/example.h"
#include "lait/data/task.h"

namespace lait {

// What a checkpoint can name: lait.yaml is read with a limit of its size.
inline constexpr size_t kMaxLabels = 10000, kMaxLabelBytes = 200000;

// The distinct label texts, sorted. Throws UserError where they are more than a checkpoint can name.
std::vector<std::string> label_set(std::span<const Example> examples);
// Sets label from label_text: its index in labels. Throws UserError naming an example whose label is not among them.
void assign_labels(std::span<Example> examples, const std::vector<std::string>& labels);
// Sets label from label_text as a number. Throws UserError naming an example whose label is none.
void assign_scores(std::span<Example> examples);
// As the head's labels are: assign_labels for classes, assign_scores for numbers. REQUIRES: the task has open labels.
void assign(std::span<Example> examples, LabelKind kind, const std::vector<std::string>& labels);

}  // namespace lait
