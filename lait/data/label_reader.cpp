#include "lait/data/label_reader.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "lait/base/json.h"
#include "lait/base/shown_text.h"
#include "lait/base/words.h"
#include "lait/config/numbers.h"

namespace lait {
namespace {

using Json = Record::Json;

std::string as_text(const Json& value, const std::string& field) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  throw BadLine("expected text or a number in the field \"" + field + "\", got " +
                value.type_name());
}

// The value of "2" or "2.0"; "02" is no number, but a text.
std::optional<int64_t> whole_number(const std::string& text) {
  const auto value = parse_number<double>(text);
  if (!value || *value != std::floor(*value) || std::abs(*value) > 1e15) return std::nullopt;
  return static_cast<int64_t>(*value);
}

double score_of(const std::string& text, const Task& task) {
  const auto score = parse_number<double>(text);
  if (score && *score >= task.lowest_score() && *score <= task.highest_score()) return *score;
  throw BadLine("expected a score from " + number_text(task.lowest_score()) + " to " +
                number_text(task.highest_score()) + ", got " + shown(text));
}

}  // namespace

LabelReader::LabelReader(const Task& task, const std::vector<std::string>& classes,
                         const LabelMap& label_map)
    : task_(task), classes_(classes), no_gold_(task.no_gold_labels()) {
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    by_name_.emplace(classes[i], index);
    const auto [same, is_new] = by_lower_name_.emplace(lower(classes[i]), index);
    if (!is_new) same->second = -1;
  }
  // The first of several counts.
  for (const auto& [from, to] : label_map) {
    map_.emplace(from, to);
    if (const auto number = whole_number(from)) map_of_numbers_.emplace(*number, to);
  }
}

// What the map says of a text: the same text, else the same whole number.
const std::string* LabelReader::mapped(const std::string& text) const {
  if (map_.empty()) return nullptr;
  if (const auto same = map_.find(text); same != map_.end()) return &same->second;
  const auto number = whole_number(text);
  const auto found = number ? map_of_numbers_.find(*number) : map_of_numbers_.end();
  return found == map_of_numbers_.end() ? nullptr : &found->second;
}

// The class of that name in any letter case; nullopt: none, or several and none exactly.
std::optional<int64_t> LabelReader::named(const std::string& text) const {
  if (const auto exact = by_name_.find(text); exact != by_name_.end()) return exact->second;
  const auto found = by_lower_name_.find(lower(text));
  if (found == by_lower_name_.end() || found->second < 0) return std::nullopt;
  return found->second;
}

// A class, or nullopt for no gold label.
std::optional<ClassLabel> LabelReader::class_of(const std::string& text) const {
  if (const auto index = named(text)) return ClassLabel{*index};
  for (const auto& [alias, name] : task_.label_aliases()) {
    if (lower(alias) == lower(text)) return ClassLabel{*named(name)};
  }
  const auto count = std::ssize(classes_);
  if (const auto index = whole_number(text)) {
    if (*index == -1) return std::nullopt;
    // The task's order, whatever the order of the classes is.
    const auto order = task_.labels();
    if (*index >= 0 && *index < count)
      return ClassLabel{order.empty() ? *index : *named(order[static_cast<size_t>(*index)])};
    throw BadLine("expected a label index from 0 to " + std::to_string(count - 1) + ", got " +
                  std::to_string(*index));
  }
  throw BadLine("expected a label of {" + joined(classes_) + "}, got " + shown(text));
}

bool LabelReader::read(const Record::Json& value, const std::string& field,
                       Example& example) const {
  const bool numbers =
      task_.label_kind() == LabelKind::kNumber || task_.label_kind() == LabelKind::kRelevance;
  if (value.is_null() && !numbers) return false;
  std::string text = as_text(value, field);
  const std::string* name = mapped(text);
  if (name != nullptr) text = *name;
  if (numbers) {
    example.label = NumberLabel{score_of(text, task_)};
    return true;
  }
  if (std::ranges::count(no_gold_, text) > 0) return false;
  const auto number = name == nullptr ? whole_number(text) : std::nullopt;
  const bool no_gold = !classes_.empty() && number == -1;
  if (number && !no_gold && !map_of_numbers_.empty() && !by_name_.contains(text))
    throw BadLine("expected a number that data.label_map has, got " + shown(text) +
                  "; say there what it means");
  if (classes_.empty()) {
    // lait.yaml could not hold every one, and a label that ends with the "\r" of a table's line is
    // a mistake.
    if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      throw BadLine("expected text in the field \"" + field +
                    "\", got a control character in it: " + quote(text));
    if (text.empty())
      throw BadLine("expected a label in the field \"" + field + "\", got an empty one");
    example.label_text = text;
    return true;
  }
  const auto label = class_of(text);
  if (label) example.label = *label;
  return label.has_value();
}

}  // namespace lait
