#include "lait/data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>
#include <unordered_map>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/base/words.h"
#include "lait/config/numbers.h"

namespace lait {
namespace {

constexpr size_t kMostShown = 10;

// The first few labels, for messages.
std::string listed(const std::vector<std::string>& labels) {
  std::string list;
  for (size_t i = 0; i < std::min(labels.size(), kMostShown); ++i)
    list += (i > 0 ? ", " : "") + shortened(labels[i]);
  return list + (labels.size() > kMostShown ? ", …" : "");
}

// What is the same of labels that look alike: a number's value, or the text without blanks around
// it and in lower case.
std::string look_of(const std::string& label) {
  constexpr const char* kBlanks = " \t";
  const size_t begin = label.find_first_not_of(kBlanks), end = label.find_last_not_of(kBlanks);
  std::string text = begin == label.npos ? "" : label.substr(begin, end - begin + 1);
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stop == text.data() + text.size() && std::isfinite(number))
    return number_text(number);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::vector<std::string> label_set(std::span<const Example> examples) {
  std::map<std::string, size_t> first_of_label, first_of_look;
  size_t bytes = 0;
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::string& label = examples[i].label_text;
    if (label.empty() || !first_of_label.try_emplace(label, i).second) continue;
    const size_t first = first_of_look.try_emplace(look_of(label), i).first->second;
    if (first != i) {
      throw UserError(example_name(examples, i) + ": expected labels that differ clearly, got '" +
                      shortened(label) + "' and, at " + example_name(examples, first) + ", '" +
                      shortened(examples[first].label_text) +
                      "'; write them alike, or say in data.label_map what each means");
    }
    bytes += label.size();
    if (first_of_label.size() > kMaxLabels || bytes > kMaxLabelBytes) {
      throw UserError("the data: expected at most " + std::to_string(kMaxLabels) +
                      " different labels, of " + std::to_string(kMaxLabelBytes) +
                      " bytes together, got more; to predict numbers set model.head: regression");
    }
  }
  std::vector<std::string> labels;
  for (const auto& [label, first] : first_of_label) labels.push_back(label);
  return labels;
}

std::vector<std::string> label_set(std::span<const Example> examples, const Task& task) {
  const std::vector<std::string> found = label_set(examples);
  const auto sets = task.label_sets();
  if (sets.empty()) return found;
  std::string known;
  for (const auto& set : sets) {
    known += (known.empty() ? "{" : " or {") + joined(set) + "}";
    const auto is_among = [](const std::vector<std::string>& names) {
      return [&names](const std::string& name) { return std::ranges::count(names, name) > 0; };
    };
    if (!std::ranges::all_of(found, is_among(set))) continue;
    std::vector<std::string> ordered;
    std::ranges::copy_if(set, std::back_inserter(ordered), is_among(found));
    return ordered;
  }
  throw UserError("the data: expected labels of " + known + ", got {" + listed(found) +
                  "}: files of different forms do not mix; say in data.label_map what each label "
                  "means");
}

void assign_labels(std::span<Example> examples, const std::vector<std::string>& labels) {
  std::unordered_map<std::string_view, int64_t> indexes;
  for (size_t k = 0; k < labels.size(); ++k) indexes.emplace(labels[k], k);
  for (size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].label_text.empty()) continue;
    const auto found = indexes.find(examples[i].label_text);
    if (found == indexes.end()) {
      throw UserError(example_name(examples, i) + ": expected one of the training data's labels {" +
                      listed(labels) + "}, got " + shown(examples[i].label_text));
    }
    examples[i].label = ClassLabel{found->second};
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
                      ": expected a number as label, as model.head takes, got " + shown(text));
    }
    examples[i].label = NumberLabel{value};
  }
}

namespace {

void check_relevance(std::span<const Example> examples) {
  for (size_t i = 0; i < examples.size(); ++i) {
    const auto* known = std::get_if<NumberLabel>(&examples[i].label);
    if (known == nullptr || (known->value >= 0 && known->value <= 1)) continue;
    throw UserError(example_name(examples, i) +
                    ": expected a number from 0 to 1 as label (model.head is relevance), got " +
                    shown(examples[i].label_text));
  }
}

}  // namespace

void assign(std::span<Example> examples, LabelKind kind, const std::vector<std::string>& labels) {
  switch (kind) {
    case LabelKind::kClass:
      return assign_labels(examples, labels);
    case LabelKind::kNumber:
      return assign_scores(examples);
    case LabelKind::kRelevance:
      assign_scores(examples);
      return check_relevance(examples);
    case LabelKind::kTexts:
    case LabelKind::kSpans:
      break;
  }
  throw UserError("labels found in the data are classes or numbers; the head takes others");
}

std::vector<int64_t> class_counts(std::span<const Example> examples, size_t num_classes) {
  std::vector<int64_t> counts(num_classes);
  for (const Example& example : examples) {
    const auto* known = std::get_if<ClassLabel>(&example.label);
    if (known != nullptr) ++counts[static_cast<size_t>(known->index)];
  }
  return counts;
}

std::string counts_of(std::span<const int64_t> counts, const std::vector<std::string>& labels,
                      const std::vector<std::string>& order) {
  std::string text;
  for (size_t i = 0; i < std::min(order.size(), kMostShown); ++i) {
    const auto index = std::ranges::find(labels, order[i]) - labels.begin();
    text += (i > 0 ? ", " : "") + std::to_string(i) + " " + shortened(order[i]) + " " +
            std::to_string(counts[static_cast<size_t>(index)]);
  }
  return text + (order.size() > kMostShown ? ", …" : "");
}

}  // namespace lait
