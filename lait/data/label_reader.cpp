#include "lait/data/label_reader.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "lait/base/json.h"
#include "lait/base/shown_text.h"
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

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// The value of "2", "2.0" or "02".
std::optional<int64_t> whole_number(const std::string& text) {
  const auto value = parse_number<double>(text);
  if (!value || *value != std::floor(*value) || std::abs(*value) > 1e15) return std::nullopt;
  return static_cast<int64_t>(*value);
}

// What `map` says of a text: the same text, else the same whole number.
const std::string* mapped(const LabelMap& map, const std::string& text) {
  for (const auto& [from, to] : map) {
    if (from == text) return &to;
  }
  const auto number = whole_number(text);
  for (const auto& [from, to] : map) {
    if (number && whole_number(from) == number) return &to;
  }
  return nullptr;
}

// The class of that name in any letter case; nullopt: none, or several and none exactly.
std::optional<int64_t> named(const std::string& text, const std::vector<std::string>& classes) {
  const auto exact = std::ranges::find(classes, text);
  if (exact != classes.end()) return exact - classes.begin();
  const auto same = [&](const std::string& name) { return lower(name) == lower(text); };
  if (std::ranges::count_if(classes, same) != 1) return std::nullopt;
  return std::ranges::find_if(classes, same) - classes.begin();
}

// A class, or nullopt for no gold label.
std::optional<ClassLabel> class_of(const std::string& text, const Task& task,
                                   const std::vector<std::string>& classes) {
  if (const auto index = named(text, classes)) return ClassLabel{*index};
  for (const auto& [alias, name] : task.label_aliases()) {
    if (lower(alias) == lower(text)) return ClassLabel{*named(name, classes)};
  }
  const auto count = std::ssize(classes);
  if (const auto index = whole_number(text)) {
    if (*index == -1) return std::nullopt;
    // The task's order, whatever the order of `classes` is.
    const auto order = task.labels();
    if (*index >= 0 && *index < count)
      return ClassLabel{order.empty() ? *index
                                      : *named(order[static_cast<size_t>(*index)], classes)};
    throw BadLine("expected a label index from 0 to " + std::to_string(count - 1) + ", got " +
                  std::to_string(*index));
  }
  std::string list;
  for (const std::string& name : classes) list += (list.empty() ? "" : ", ") + name;
  throw BadLine("expected a label of {" + list + "}, got " + shown(text));
}

double score_of(const std::string& text, const Task& task) {
  const auto score = parse_number<double>(text);
  if (score && *score >= task.lowest_score() && *score <= task.highest_score()) return *score;
  throw BadLine("expected a score from " + number_text(task.lowest_score()) + " to " +
                number_text(task.highest_score()) + ", got " + shown(text));
}

}  // namespace

bool read_label(const Json& value, const std::string& field, const Task& task,
                const std::vector<std::string>& classes, const LabelMap& label_map,
                Example& example) {
  const bool numbers = task.label_kind() == LabelKind::kNumber;
  if (value.is_null() && !numbers) return false;
  std::string text = as_text(value, field);
  if (const std::string* name = mapped(label_map, text)) text = *name;
  if (numbers) {
    example.label = NumberLabel{score_of(text, task)};
    return true;
  }
  if (std::ranges::count(task.no_gold_labels(), text) > 0) return false;
  if (classes.empty()) {
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
  const auto label = class_of(text, task, classes);
  if (label) example.label = *label;
  return label.has_value();
}

}  // namespace lait
