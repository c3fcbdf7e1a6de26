#include "lait/data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "lait/base/error.h"
#include "lait/data/task_lines.h"

namespace lait {
namespace {

// The first few labels, for messages.
std::string listed(const std::vector<std::string>& labels) {
  constexpr size_t kMostShown = 10;
  std::string list;
  for (size_t i = 0; i < std::min(labels.size(), kMostShown); ++i) {
    const std::string label = shown(labels[i]);
    list += (i > 0 ? ", " : "") + label.substr(1, label.size() - 2);
  }
  return list + (labels.size() > kMostShown ? ", …" : "");
}

}  // namespace

std::vector<std::string> label_set(std::span<const Example> examples) {
  std::set<std::string> labels;
  size_t bytes = 0;
  for (const Example& example : examples) {
    if (!example.label_text.empty() && labels.insert(example.label_text).second)
      bytes += example.label_text.size();
    if (labels.size() > kMaxLabels || bytes > kMaxLabelBytes) {
      throw UserError("the data: expected at most " + std::to_string(kMaxLabels) +
                      " different labels, of " + std::to_string(kMaxLabelBytes) +
                      " bytes together, got more; to predict numbers set model.head: regression");
    }
  }
  return {labels.begin(), labels.end()};
}

void assign_labels(std::span<Example> examples, const std::vector<std::string>& labels) {
  for (size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].label_text.empty()) continue;
    const auto found = std::ranges::find(labels, examples[i].label_text);
    if (found == labels.end()) {
      throw UserError(example_name(examples, i) + ": expected one of the training data's labels {" +
                      listed(labels) + "}, got " + shown(examples[i].label_text));
    }
    examples[i].label = ClassLabel{found - labels.begin()};
  }
}

void assign_scores(std::span<Example> examples) {
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::string& text = examples[i].label_text;
    if (text.empty()) {
      examples[i].label = NoLabel{};
      continue;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
      throw UserError(example_name(examples, i) +
                      ": expected a number as label (model.head is regression), got " +
                      shown(text));
    }
    examples[i].label = NumberLabel{value};
  }
}

void assign(std::span<Example> examples, LabelKind kind, const std::vector<std::string>& labels) {
  switch (kind) {
    case LabelKind::kClass:
      return assign_labels(examples, labels);
    case LabelKind::kNumber:
      return assign_scores(examples);
    case LabelKind::kTexts:
    case LabelKind::kSpans:
      break;
  }
  throw UserError("labels found in the data are classes or numbers; the head takes others");
}

}  // namespace lait
