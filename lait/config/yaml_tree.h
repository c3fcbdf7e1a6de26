// YAML as a plain tree with line numbers: what a config needs of YAML, and nothing that can surprise.
//
// One document; no anchors and aliases (no alias bombs, no cycles), no tags, bounded size and depth. Values stay text:
// what a scalar means is decided by the field that it is read into.
#pragma once
#include <string>
#include <vector>

namespace lait {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string scalar;  // of kScalar
  bool plain = false;  // a scalar without quotes: "3" in quotes is no number
  int line = 0;        // from 1
  std::vector<YamlNode>
      items;  // kList: the entries; kMap: key, value, key, value …, keys repeated where the text does

  bool is_scalar() const { return kind == Kind::kScalar; }
  // "'text'", "a list", "a mapping" or "nothing", for messages.
  std::string describe() const;
};

// Where a text comes from: a file with lines, or the override "--set key=value" without.
struct Origin {
  std::string name;
  int override_number = 0;  // from 1; 0: a file
  std::string at(int line) const {
    return override_number == 0 && line > 0 ? name + ":" + std::to_string(line) : name;
  }
};

// Throws UserError "origin:line: …"; an empty text is kNull.
YamlNode parse_yaml(const std::string& text, const Origin& origin);

bool is_utf8(const std::string& text);

}  // namespace lait
