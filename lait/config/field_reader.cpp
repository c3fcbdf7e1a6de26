#include "lait/config/field_reader.h"

#include <cstdlib>
#include <set>

#include "lait/base/shown_text.h"

namespace lait {
namespace {

constexpr char kStageForm[] =
    "a list of stages {num_layers: N, scope: segment|group|example[, updates: all|first]}";

bool is_variable_name(const std::string& name) {
  auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
  if (name.empty() || !letter(name[0])) return false;
  for (const char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

}  // namespace

void FieldReader::no_value() {
  problems_.add(value_->origin, value_->line,
                name_ + ": expected a value, got nothing; give one, or remove the key");
}

std::string FieldReader::number_hint(const YamlNode& node) const {
  if (!node.is_scalar()) return "";
  if (!node.plain)
    return parse_number<double>(node.scalar) ? " in quotes, which make it a text; remove them" : "";
  // Only an override's value can begin with a quote and be plain.
  const char quote = node.scalar.front();
  return (quote == '\'' || quote == '"') && node.scalar.size() > 1 && node.scalar.back() == quote
             ? "; its quotes came through the shell: remove them"
             : "";
}

void FieldReader::wrong(const YamlNode& node, int line, const std::string& expected,
                        const std::string& hint) {
  problems_.add(value_->origin, line,
                name_ + ": expected " + expected + ", got " + node.describe() + hint);
}

void FieldReader::repeated(const YamlNode& label) {
  problems_.add(value_->origin, label.line,
                name_ + ": the label " + shown(label.scalar) + " appears twice; remove one");
}

void FieldReader::read(const YamlNode& node, int line, double& target, const Limits& limits) {
  const auto number = node.plain ? parse_number<double>(node.scalar) : std::nullopt;
  if (!number || !within(*number, limits))
    return wrong(node, line, "a number" + limits_text(limits), number_hint(node));
  if (!fits_float(*number, limits)) {
    return wrong(node, line, "a number" + limits_text(limits),
                 "; it is computed in float, which would make it " +
                     number_text(static_cast<float>(*number)) + " (float holds " + float_range() +
                     ")");
  }
  target = *number;
}

void FieldReader::read(const YamlNode& node, int line, ThreadCount& target, const Limits& limits) {
  const auto number = node.plain ? parse_number<int64_t>(node.scalar) : std::nullopt;
  if (number && within(static_cast<double>(*number), limits)) {
    target.count = *number;
  } else if (node.is_scalar() && node.scalar == "auto") {
    target.count = 0;
  } else {
    wrong(node, line, "auto or a whole number" + limits_text(limits), number_hint(node));
  }
}

void FieldReader::read(const YamlNode& node, int line, ByteCount& target, const Limits& limits) {
  std::string digits = node.is_scalar() ? node.scalar : "";
  int64_t unit = node.plain ? 1 : 0;  // "20GB" is a text, and may have quotes
  for (const auto& [suffix, bytes] : kByteUnits) {
    if (!digits.ends_with(suffix)) continue;
    digits.resize(digits.size() - suffix.size());
    unit = bytes;
    break;
  }
  const auto number = parse_number<int64_t>(digits);
  if (!number || unit == 0 ||
      !within(static_cast<double>(*number) * static_cast<double>(unit), limits))
    return wrong(node, line, "bytes as a whole number, or with KB, MB or GB, e.g. 20GB");
  target.bytes = *number * unit;
}

void FieldReader::read(const YamlNode& node, int line, std::string& target, const Limits&) {
  if (!node.is_scalar()) return wrong(node, line, "text");
  target = expand(node.scalar, line);
}

void FieldReader::read(const YamlNode& node, int line, DataFiles& target, const Limits&) {
  target.clear();
  const std::vector<YamlNode> one{node};
  if (node.kind == YamlNode::Kind::kMap) return wrong(node, line, "a file or a list of files");
  for (const YamlNode& entry : node.kind == YamlNode::Kind::kList ? node.items : one) {
    const int entry_line = node.kind == YamlNode::Kind::kList ? entry.line : line;
    if (entry.is_scalar() && !entry.scalar.empty()) {
      target.push_back(expand(entry.scalar, entry_line));
    } else {
      wrong(entry, entry_line,
            node.kind == YamlNode::Kind::kList ? "a list of file names"
                                               : "a file or a list of files");
    }
  }
}

void FieldReader::read(const YamlNode& node, int line, NameList& target, const Limits&) {
  target.clear();
  const std::vector<YamlNode> one{node};
  for (const YamlNode& entry : node.kind == YamlNode::Kind::kList ? node.items : one) {
    if (!entry.is_scalar() || entry.scalar.empty())
      return wrong(entry, line, "a name or a list of names");
    target.push_back(expand(entry.scalar, line));
  }
}

void FieldReader::read(const YamlNode& node, int line, LayerCounts& target, const Limits& limits) {
  target.clear();
  if (node.kind != YamlNode::Kind::kList) return wrong(node, line, "a list of whole numbers");
  for (const YamlNode& entry : node.items) read(entry, entry.line, target.emplace_back(), limits);
}

void FieldReader::read(const YamlNode& node, int line, LabelMap& target, const Limits&) {
  constexpr const char* kForm = "a mapping of labels, {as in the file: label, …}";
  target.clear();
  if (node.kind != YamlNode::Kind::kMap) return wrong(node, line, kForm);
  std::set<std::string> seen;
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const YamlNode &from = node.items[i], &to = node.items[i + 1];
    if (!from.is_scalar()) return wrong(from, from.line, kForm);
    if (!to.is_scalar() || to.scalar.empty()) return wrong(to, from.line, kForm);
    if (!seen.insert(from.scalar).second) repeated(from);
    target.emplace_back(expand(from.scalar, from.line), expand(to.scalar, from.line));
  }
}

void FieldReader::read(const YamlNode& node, int line, ClassWeights& target, const Limits& limits) {
  constexpr const char* kForm = "balanced, or a mapping {label: weight, …}";
  target = {.balanced = node.is_scalar() && node.scalar == "balanced"};
  if (target.balanced) return;
  if (node.kind != YamlNode::Kind::kMap || node.items.empty()) return wrong(node, line, kForm);
  std::set<std::string> seen;
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const YamlNode& label = node.items[i];
    if (!label.is_scalar()) return wrong(label, label.line, kForm);
    if (!seen.insert(label.scalar).second) repeated(label);
    auto& [name, weight] = target.by_label.emplace_back(expand(label.scalar, label.line), 1);
    read(node.items[i + 1], label.line, weight, limits);
  }
}

void FieldReader::read(const YamlNode& node, int line, std::vector<Stage>& target, const Limits&) {
  target.clear();
  if (node.kind != YamlNode::Kind::kList) return wrong(node, line, kStageForm);
  if (node.items.empty()) {
    problems_.add(value_->origin, line, name_ + ": expected " + kStageForm + ", got an empty list");
    return;
  }
  for (const YamlNode& entry : node.items) read(entry, entry.line, target.emplace_back());
}

void FieldReader::read(const YamlNode& node, int line, Stage& target) {
  if (node.kind != YamlNode::Kind::kMap) return wrong(node, line, kStageForm);
  const std::string list_name = name_;
  const auto key_of = [](const YamlNode& node) { return node.is_scalar() ? node.scalar : ""; };
  std::set<std::string> seen;
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const YamlNode &key = node.items[i], &value = node.items[i + 1];
    const std::string text = key_of(key);
    name_ = list_name + "." + text;
    if (seen.contains(text)) {
      problems_.add(value_->origin, key.line,
                    list_name + ": the key " + text + " appears twice in a stage; remove one");
    } else if (text == "num_layers") {
      read(value, key.line, target.num_layers, Limits{.min = 1, .max = kMaxLayers});
    } else if (text == "scope") {
      read(value, key.line, target.scope, Limits{});
    } else if (text == "updates") {
      read(value, key.line, target.updates, Limits{});
    } else {
      const std::string hint =
          key.is_scalar() ? did_you_mean(text, {"num_layers", "scope", "updates"}) : "";
      problems_.add(value_->origin, key.line,
                    list_name + ": unknown key " + key.describe() + " in a stage" +
                        (hint.empty() ? "; known are num_layers, scope, updates" : hint));
      continue;
    }
    seen.insert(text);
  }
  name_ = list_name;
  for (const char* name : {"num_layers", "scope"}) {
    if (!seen.contains(name))
      problems_.add(value_->origin, line,
                    name_ + ": a stage without " + name + "; expected " + kStageForm);
  }
}

std::string FieldReader::expand(const std::string& text, int line) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      out += "${";
      i += 3;
    } else if (text.compare(i, 2, "${") == 0) {
      const size_t end = text.find('}', i);
      const std::string variable = end == std::string::npos ? "" : text.substr(i + 2, end - i - 2);
      if (!is_variable_name(variable)) {
        problems_.add(value_->origin, line,
                      name_ + ": expected ${VARIABLE} in '" + shortened(text) +
                          "'; a literal ${ is written $${");
        return text;
      }
      const char* found = std::getenv(variable.c_str());
      if (found == nullptr || !is_utf8(found)) {
        problems_.add(
            value_->origin, line,
            name_ + ": the environment variable " + variable + " in '" + shortened(text) +
                (found == nullptr ? "' is not set; set it, or write the value in its place"
                                  : "' is no text in UTF-8"));
        return text;
      }
      out += found;
      i = end + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace lait
