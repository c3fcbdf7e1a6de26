// The visitor that reads a config's fields from values by name and collects what is wrong with
// them.
//
// Strict: a whole number has no fraction, a quoted "3" is not a number, a choice is one of its
// names. ${VAR} in text is replaced by the environment variable; $${ is a literal ${.
#pragma once
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "lait/config/did_you_mean.h"
#include "lait/config/field_values.h"
#include "lait/config/fields.h"
#include "lait/config/numbers.h"

namespace lait {

class FieldReader {
 public:
  FieldReader(const FieldValues& values, Problems& problems)
      : values_(values), problems_(problems) {}

  template <class T>
  void field(const char* name, T& target, const Limits& limits, const char*) {
    const auto found = values_.find(name);
    if (found == values_.end()) return;
    name_ = name;
    value_ = &found->second;
    // An empty override goes back to the default, whatever the file says.
    if (found->second.node.kind == YamlNode::Kind::kNull)
      return value_->origin.override_number > 0 ? void() : no_value();
    read(found->second.node, found->second.line, target, limits);
  }

 private:
  void no_value();
  // Why a number in a scalar is not taken for one, for the end of a message; "" if it is none.
  std::string number_hint(const YamlNode& node) const;
  // `line`: of the key, or of the entry of a list.
  void wrong(const YamlNode& node, int line, const std::string& expected,
             const std::string& hint = "");
  void repeated(const YamlNode& label);

  template <class T>
  void read(const YamlNode& node, int line, std::optional<T>& target, const Limits& limits) {
    read(node, line, target.emplace(), limits);
  }

  template <std::integral T>
  void read(const YamlNode& node, int line, T& target, const Limits& limits) {
    const auto number = node.plain ? parse_number<T>(node.scalar) : std::nullopt;
    if (!number || !within(static_cast<double>(*number), limits)) {
      return wrong(node, line, "a whole number" + limits_text(limits), number_hint(node));
    }
    target = *number;
  }

  template <class E>
  requires std::is_enum_v<E>
  void read(const YamlNode& node, int line, E& target, const Limits&) {
    std::vector<std::string> names;
    for (const auto& [text, value] : names_of<E>()) {
      names.emplace_back(text);
      if (node.is_scalar() && node.scalar == text) {
        target = value;
        return;
      }
    }
    wrong(node, line, "one of {" + choices<E>() + "}",
          node.is_scalar() ? did_you_mean(node.scalar, names) : "");
  }

  void read(const YamlNode& node, int line, double& target, const Limits& limits);
  void read(const YamlNode& node, int line, ThreadCount& target, const Limits& limits);
  void read(const YamlNode& node, int line, ByteCount& target, const Limits& limits);
  void read(const YamlNode& node, int line, std::string& target, const Limits& limits);
  void read(const YamlNode& node, int line, DataFiles& target, const Limits& limits);
  void read(const YamlNode& node, int line, NameList& target, const Limits& limits);
  void read(const YamlNode& node, int line, LayerCounts& target, const Limits& limits);
  void read(const YamlNode& node, int line, LabelMap& target, const Limits& limits);
  void read(const YamlNode& node, int line, ClassWeights& target, const Limits& limits);
  void read(const YamlNode& node, int line, std::vector<Stage>& target, const Limits& limits);
  void read(const YamlNode& node, int line, Stage& target);
  std::string expand(const std::string& text, int line);

  const FieldValues& values_;
  Problems& problems_;
  std::string name_;                   // of the field being read
  const FieldValue* value_ = nullptr;  // its value
};

}  // namespace lait
