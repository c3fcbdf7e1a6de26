// YAML as a plain tree with line numbers, restricted to what a config needs.
//
// One document. No anchors or aliases (no alias bombs, no cycles), no tags, bounded size and depth.
// Values stay text: the field that reads a scalar decides what it means.
#pragma once
#include <string>
#include <vector>

namespace lait {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string scalar;  // of kScalar
  bool plain = false;  // a scalar without quotes: "3" in quotes is not a number
  int line = 0;        // from 1
  // kList: the entries. kMap: key, value, key, value …; keys may be repeated.
  std::vector<YamlNode> items;

  bool is_scalar() const { return kind == Kind::kScalar; }
  // "'text'", "a list", "a mapping" or "nothing", for messages.
  std::string describe() const;
};

// Where a text comes from: a file, whose lines are numbered, or an override "--set key=value".
struct Origin {
  std::string name;
  int override_number = 0;  // from 1; 0: a file
  std::string at(int line) const {
    return override_number == 0 && line > 0 ? name + ":" + std::to_string(line) : name;
  }
};

// An empty text is kNull. Throws UserError "origin:line: …".
YamlNode parse_yaml(const std::string& text, const Origin& origin);

bool is_utf8(const std::string& text);

}  // namespace lait
