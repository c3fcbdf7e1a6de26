#include "lait/config/write.h"

#include <algorithm>
#include <concepts>
#include <optional>
#include <set>
#include <type_traits>
#include <vector>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/base/words.h"
#include "lait/config/enum_names.h"
#include "lait/config/field_values.h"
#include "lait/config/fields.h"
#include "lait/config/numbers.h"
#include "lait/config/yaml_tree.h"

namespace lait {
namespace {

// Whether YAML, and people, take the text for text without quotes.
bool is_plain(const std::string& text) {
  // In YAML 1.1 or 1.2, in lower case.
  static const std::set<std::string> kOtherMeaning = {
      "...", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"};
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/.";
  return text.find_first_of(letters) == 0 &&
         text.find_first_not_of(letters + "0123456789_-+") == text.npos &&
         !kOtherMeaning.contains(lower(text)) && !parse_number<double>(text);  // ".5"
}

template <class T>
requires std::is_arithmetic_v<T> std::string value_text(T value) { return number_text(value); }
template <class E>
requires std::is_enum_v<E> std::string value_text(E value) { return to_string(value); }
std::string value_text(const std::string& text) { return yaml_text(text); }
std::string value_text(const ThreadCount& threads) {
  return threads.count == 0 ? "auto" : number_text(threads.count);
}
std::string value_text(const ByteCount& count) {
  for (const auto& [suffix, bytes] : kByteUnits) {
    if (count.bytes > 0 && count.bytes % bytes == 0)
      return number_text(count.bytes / bytes) + std::string(suffix);
  }
  return number_text(count.bytes);
}
std::string value_text(const Stage& stage) {
  return "{num_layers: " + number_text(stage.num_layers) + ", scope: " + to_string(stage.scope) +
         (stage.updates == Updates::kAll ? "" : ", updates: " + to_string(stage.updates)) + "}";
}
template <class T>
std::string value_text(const std::vector<T>& list) {
  std::string out;
  for (const T& entry : list) out += (out.empty() ? "" : ", ") + value_text(entry);
  return "[" + out + "]";
}
std::string value_text(const DataFiles& files) {
  return files.size() == 1 ? yaml_text(files[0]) : value_text<std::string>(files);
}

std::string value_text(const NameList& names) {
  return value_text(static_cast<const std::vector<std::string>&>(names));
}
std::string value_text(const LayerCounts& counts) {
  return value_text(static_cast<const std::vector<int64_t>&>(counts));
}
std::string value_text(const LabelMap& map) {
  std::string out;
  for (const auto& [from, to] : map)
    out += (out.empty() ? "" : ", ") + yaml_text(from) + ": " + yaml_text(to);
  return "{" + out + "}";
}

std::string value_text(const ClassWeights& weights) {
  if (weights.balanced) return "balanced";
  std::string out;
  for (const auto& [label, weight] : weights.by_label)
    out += (out.empty() ? "" : ", ") + yaml_text(label) + ": " + value_text(weight);
  return "{" + out + "}";
}

// An empty schedule and an optional without a value are not set.
template <class T>
bool is_set(const T&) {
  return true;
}
bool is_set(const std::vector<Stage>& schedule) { return !schedule.empty(); }
bool is_set(const NameList& names) { return !names.empty(); }
bool is_set(const LayerCounts& counts) { return !counts.empty(); }
bool is_set(const LabelMap& map) { return !map.empty(); }
template <class T>
bool is_set(const std::optional<T>& value) {
  return value.has_value();
}
template <class T>
std::string value_text(const std::optional<T>& value) {
  return value_text(*value);
}

struct Writer {
  const std::vector<std::string>& names;  // of the fields to write
  std::string out{};
  // The open sections: {"data", "data.columns"}.
  std::vector<std::string> sections{};
  template <class T>
  void field(const std::string& name, const T& value, const Limits&, const char*) {
    if (std::ranges::find(names, name) == names.end() || !is_set(value)) return;
    size_t depth = 0, begin = 0;
    for (size_t dot; (dot = name.find('.', begin)) != name.npos; begin = dot + 1, ++depth) {
      const std::string section = name.substr(0, dot);
      if (depth < sections.size() && sections[depth] == section) continue;
      sections.resize(depth);
      sections.push_back(section);
      out += std::string(2 * depth, ' ') + name.substr(begin, dot - begin) + ":\n";
    }
    sections.resize(depth);
    out += std::string(2 * depth, ' ') + name.substr(begin) + ": " + value_text(value) + "\n";
  }
};

struct Values {
  std::vector<std::pair<std::string, std::string>> all;
  template <class T>
  void field(const std::string& name, const T& value, const Limits&, const char*) {
    all.emplace_back(name, is_set(value) ? value_text(value) : "");
  }
};

// What a field may be.
std::string kind(const std::string*) { return "text"; }
std::string kind(const DataFiles*) { return "a file or a list"; }
std::string kind(const NameList*) { return "a name or a list"; }
std::string kind(const LayerCounts*) { return "a list of whole numbers"; }
std::string kind(const LabelMap*) { return "a mapping"; }
std::string kind(const ClassWeights*) { return "balanced or a mapping"; }
std::string kind(const std::vector<Stage>*) { return "a list"; }
std::string kind(const double*) { return "a number"; }
std::string kind(const ThreadCount*) { return "auto or a whole number"; }
std::string kind(const ByteCount*) { return "bytes, or with KB, MB or GB"; }
template <std::integral T>
std::string kind(const T*) {
  return "a whole number";
}
template <class E>
requires std::is_enum_v<E> std::string kind(const E*) { return "one of {" + choices<E>() + "}"; }
template <class T>
std::string kind(const std::optional<T>*) {
  return kind(static_cast<const T*>(nullptr));
}

struct Reference {
  std::string out;
  template <class T>
  void field(const std::string& name, const T& value, const Limits& limits, const char* help) {
    const std::string set = is_set(value) ? value_text(value) : "";
    out += name + ": " + help + "; " + kind(&value) + limits_text(limits);
    if (!set.empty() && set != "\"\"" && set != "[]") out += " (default " + set + ")";
    out += "\n";
  }
};

}  // namespace

std::string yaml_text(const std::string& text) {
  if (is_plain(text)) return text;
  if (!is_utf8(text)) throw UserError("expected text in UTF-8, got " + quote(text));
  return nlohmann::json(escape_variables(text)).dump();  // a JSON string is a YAML scalar, too
}

std::string escape_variables(const std::string& text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "${") == 0) escaped += '$';
    escaped += text[i];
  }
  return escaped;
}

std::string write_config(const Config& config) { return write_fields(config, field_names()); }

std::string write_fields(const Config& config, const std::vector<std::string>& names) {
  Writer writer{.names = names};
  visit_fields(config, writer);
  return writer.out;
}

std::vector<std::string> changed_fields(const Config& a, const Config& b) {
  Values of_a, of_b;
  visit_fields(a, of_a);
  visit_fields(b, of_b);
  std::vector<std::string> names;
  for (size_t i = 0; i < of_a.all.size(); ++i) {
    if (of_a.all[i] != of_b.all[i]) names.push_back(of_a.all[i].first);
  }
  return names;
}

std::string config_reference() {
  const Config defaults;
  Reference reference;
  visit_fields(defaults, reference);
  return reference.out;
}

}  // namespace lait
