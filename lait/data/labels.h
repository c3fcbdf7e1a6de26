// Labels of tasks that take them from the data (jsonl, table): the training data defines the set,
// and all splits use it.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "lait/data/example.h"
#include "lait/data/task.h"

namespace lait {

// The most that a checkpoint can store: lait.yaml is read with a size limit.
inline constexpr size_t kMaxLabels = 10000, kMaxLabelBytes = 200000;

// The distinct label texts, sorted. Throws UserError if there are more than a checkpoint can store,
// or if two differ only in letter case, blanks around them, or the way a number is written ("0",
// "0.0").
std::vector<std::string> label_set(std::span<const Example> examples);
// The same, in the order of the task's label_sets if it has some. Throws UserError if no set has
// all of the labels: the files have different forms.
std::vector<std::string> label_set(std::span<const Example> examples, const Task& task);
// Sets label to label_text's index in labels. Throws UserError naming an example whose label is not
// among them.
void assign_labels(std::span<Example> examples, const std::vector<std::string>& labels);
// Sets label to label_text as a number. Throws UserError naming an example whose label is not a
// number.
void assign_scores(std::span<Example> examples);
// Assigns labels of the head's kind: assign_labels for classes, assign_scores for numbers.
// REQUIRES: the task has open labels.
void assign(std::span<Example> examples, LabelKind kind, const std::vector<std::string>& labels);

// Examples of each class, of so many.
std::vector<int64_t> class_counts(std::span<const Example> examples, size_t num_classes);
// "0 entailment 1299, 1 neutral 2536": the classes in `order`, in which the files number them, with
// their counts; the first ones only if there are many. `counts` and `labels`: in the order of the
// examples' indexes. REQUIRES: both lists have the same names.
std::string counts_of(std::span<const int64_t> counts, const std::vector<std::string>& labels,
                      const std::vector<std::string>& order);

}  // namespace lait
