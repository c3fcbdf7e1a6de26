#include "lait/data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "lait/error.h"

namespace lait {
namespace {

std::string name_of(std::span<const Example> examples, size_t i) {
  return "example " + (examples[i].id.empty() ? std::to_string(i + 1) : "'" + examples[i].id + "'");
}

}  // namespace

std::vector<std::string> label_set(std::span<const Example> examples) {
  std::set<std::string> labels;
  for (const Example& example : examples) {
    if (!example.label_text.empty()) labels.insert(example.label_text);
  }
  return {labels.begin(), labels.end()};
}

void assign_labels(std::span<Example> examples, const std::vector<std::string>& labels) {
  for (size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].label_text.empty()) continue;  // none
    const auto found = std::ranges::find(labels, examples[i].label_text);
    if (found == labels.end()) {
      std::string list;
      for (const std::string& label : labels) list += (list.empty() ? "" : ", ") + label;
      throw UserError(name_of(examples, i) + ": expected one of the training data's labels {" + list.substr(0, 200) + "}, got '" +
                      examples[i].label_text.substr(0, 60) + "'");
    }
    examples[i].label = static_cast<double>(found - labels.begin());
  }
}

void assign_scores(std::span<Example> examples) {
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::string& text = examples[i].label_text;
    if (text.empty()) {
      examples[i].label = std::nan("");
      continue;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
      throw UserError(name_of(examples, i) + ": expected a number as label (model.head is regression), got '" + text.substr(0, 60) + "'");
    }
    examples[i].label = value;
  }
}

std::vector<std::string> metrics_of(const Task& task, Head head) {
  if (task.open_labels() && head == Head::kRegression) return {"pearson", "spearman", "mse"};
  return task.metrics();
}

}  // namespace lait
