// How a classifier does on each class: precision, recall, F1, and the confusion matrix.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/metrics.h"

namespace lait {

struct ClassScores {
  std::string label;
  int64_t examples = 0;   // with this label
  int64_t predicted = 0;  // how often it was predicted
  int64_t right = 0;      // both
  // Without a value where it is 0 / 0: a class that was never predicted has no precision.
  std::optional<double> precision() const;
  std::optional<double> recall() const;
  std::optional<double> f1() const;
};

// Matrices of more classes are left out of report.json and report.md.
inline constexpr size_t kMostClassesInJson = 100, kMostClassesInMarkdown = 20;

struct ClassReport {
  std::vector<ClassScores> classes;  // in the order of the labels
  // [label][predicted]: examples; empty if there are more than kMostClassesInJson classes.
  std::vector<std::vector<int64_t>> confusion;
};
// REQUIRES: the outcomes are of a classifier with these labels.
ClassReport class_report(const std::vector<std::string>& labels, std::span<const Outcome> outcomes);

// Adds "classes", a list of objects, and "confusion_matrix", a list of rows: one for each label in
// the order of "classes", with the number of its examples predicted as each class.
void add_classes(nlohmann::ordered_json& json, const ClassReport& report);
// Two tables.
std::string class_markdown(const ClassReport& report);

}  // namespace lait
