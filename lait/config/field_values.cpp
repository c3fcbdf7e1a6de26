#include "lait/config/field_values.h"

#include <algorithm>
#include <optional>
#include <span>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/config/did_you_mean.h"
#include "lait/config/fields.h"
#include "lait/config/hf_names.h"

namespace lait {
namespace {

struct NameVisitor {
  std::vector<std::string> names{}, texts{};
  template <class T>
  void field(const char* name, T&, const Limits&, const char*) {
    names.emplace_back(name);
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>>)
      texts.emplace_back(name);
  }
};

NameVisitor visit_names() {
  Config config;
  NameVisitor visitor;
  visit_fields(config, visitor);
  return visitor;
}

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::ranges::find(list, name) != list.end();
}

// "training" of "training.epochs", "" of "task".
std::string section_of(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}
std::string last_of(const std::string& name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

void Problems::add(const Origin& origin, int line, const std::string& what) {
  problems_.push_back({origin.override_number, line, origin.at(line) + ": " + what});
}

void Problems::throw_if_any() const {
  if (problems_.empty()) return;
  // Sorted: what the file lacks, its lines, then the overrides in their order.
  std::vector<Problem> sorted = problems_;
  std::ranges::stable_sort(sorted, {},
                           [](const Problem& p) { return std::pair(p.override_number, p.line); });
  constexpr size_t kMostShown = 20;
  std::string text;
  for (const Problem& problem : std::span(sorted).first(std::min(sorted.size(), kMostShown)))
    text += (text.empty() ? "" : "\n") + problem.text;
  if (sorted.size() > kMostShown)
    text += "\nand " + std::to_string(sorted.size() - kMostShown) + " more mistakes";
  throw UserError(text);
}

std::vector<std::string> field_names() { return visit_names().names; }

FieldCollector::FieldCollector(Problems& problems) : problems_(problems) {
  NameVisitor visitor = visit_names();
  names_ = std::move(visitor.names);
  texts_ = std::move(visitor.texts);
  for (const std::string& name : names_) {
    const std::string section = section_of(name);
    if (!section.empty() && !contains(sections_, section)) sections_.push_back(section);
  }
}

FieldValues FieldCollector::from_config(const YamlNode& root, const Origin& origin) const {
  FieldValues out;
  if (root.kind == YamlNode::Kind::kMap) {
    FirstLines first_lines;
    add_map(root, "", origin, first_lines, out);
  } else if (root.kind != YamlNode::Kind::kNull) {
    problems_.add(origin, root.line,
                  "expected a mapping with the keys task, model, data, training, output, got " +
                      root.describe());
  }
  return out;
}

FieldValues FieldCollector::from_overrides(const std::vector<Override>& overrides) const {
  FieldValues out;
  int number = 0;
  for (const auto& [text, option] : overrides) {
    const Origin origin{option + " " + shortened(text), ++number};
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      problems_.add(origin, 0, "expected key=value, e.g. --set training.seed=2");
      continue;
    }
    const std::string name = text.substr(0, equals);
    FirstLines first_lines;
    try {
      add(name, {override_value(name, text.substr(equals + 1), origin), origin, 0}, first_lines,
          out);
    } catch (const UserError& error) {
      // The text begins with the place already; report it with the other problems.
      problems_.add(origin, 0, std::string(error.what()).substr(origin.name.size() + 2));
    }
  }
  return out;
}

YamlNode FieldCollector::override_value(const std::string& name, const std::string& value,
                                        const Origin& origin) const {
  const auto between = [&](char open, char close) {
    return value.front() == open && value.back() == close;
  };
  YamlNode node;
  if (value.empty()) return node;
  if (!contains(texts_, name) && (between('[', ']') || between('{', '}')))
    return parse_yaml(value, origin);
  if (!is_utf8(value)) throw UserError(origin.name + ": expected text in UTF-8");
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = value;
  node.plain = true;
  return node;
}

void FieldCollector::add_map(const YamlNode& map, const std::string& prefix, const Origin& origin,
                             FirstLines& first_lines, FieldValues& out) const {
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    const YamlNode& key = map.items[i];
    if (!key.is_scalar()) {
      problems_.add(origin, key.line, "expected a key, got " + key.describe());
      continue;
    }
    const std::string name = prefix + key.scalar;
    const auto [first, is_new] = first_lines.emplace(name, key.line);
    if (is_new) {
      add(name, {map.items[i + 1], origin, key.line}, first_lines, out);
    } else {
      problems_.add(
          origin, key.line,
          "the key " + shortened(name) + " appears twice" +
              (origin.override_number == 0 ? ", first in line " + std::to_string(first->second)
                                           : "") +
              "; remove one");
    }
  }
}

void FieldCollector::add(const std::string& name, FieldValue value, FirstLines& first_lines,
                         FieldValues& out) const {
  if (contains(sections_, name)) {
    if (value.node.kind == YamlNode::Kind::kMap) {
      add_map(value.node, name + ".", value.origin, first_lines, out);
    } else if (value.node.kind == YamlNode::Kind::kNull) {
      reset_section(name, value, out);
    } else {
      problems_.add(value.origin, value.line,
                    name + ": expected a mapping of keys, got " + value.node.describe());
    }
  } else if (contains(names_, name)) {
    out.insert_or_assign(name, std::move(value));
  } else {
    problems_.add(value.origin, value.line, "unknown key " + shortened(name) + suggestion(name));
  }
}

// In a file, an empty section leaves all of its fields as they are.
void FieldCollector::reset_section(const std::string& section, const FieldValue& value,
                                   FieldValues& out) const {
  if (value.origin.override_number == 0) return;
  for (const std::string& name : names_) {
    if (name.starts_with(section + ".")) out.insert_or_assign(name, value);
  }
}

// A name of Hugging Face's is translated. Else looks for the nearest name in the same section,
// among sections, by the last part in any section, then for a name whose dot is missing. Lists the
// known names if none is near.
std::string FieldCollector::suggestion(const std::string& name) const {
  const std::string section = section_of(name), last = last_of(name);
  if (const std::string hint = hf_name_hint(last); !hint.empty()) return hint;
  std::vector<std::string> siblings = section.empty() ? sections_ : std::vector<std::string>{};
  for (const std::string& known : names_) {
    if (section_of(known) == section) siblings.push_back(last_of(known));
  }
  if (const std::string hint = did_you_mean(last, siblings); !hint.empty()) return hint;
  std::vector<std::string> lasts;
  for (const std::string& known : names_) lasts.push_back(last_of(known));
  if (const std::string near = nearest(last, lasts); !near.empty()) {
    std::string list;
    for (const std::string& known : names_) {
      if (last_of(known) == near) list += (list.empty() ? "" : " or ") + known;
    }
    return " (did you mean " + list + "?)";
  }
  if (section.empty()) {
    if (const std::string hint = did_you_mean(name, names_); !hint.empty()) return hint;
  }
  std::string list;
  for (const std::string& sibling : siblings) list += (list.empty() ? "" : ", ") + sibling;
  return list.empty()
             ? ""
             : (section.empty() ? "; known are " : "; known in " + section + " are ") + list;
}

}  // namespace lait
