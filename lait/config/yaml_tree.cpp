#include "lait/config/yaml_tree.h"

#include <unicode/utf8.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"

namespace lait {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxDepth = 16;  // a config needs 4

// Builds the tree from yaml-cpp's events. `path_` holds the open lists and maps, innermost last.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Origin& origin) : origin_(origin) {}
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "expected one YAML document, got a second one after '---'");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "?", anchor);
    close(at(mark, YamlNode::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "got an alias (*name), which configs do not have; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    YamlNode node = at(mark, YamlNode::Kind::kScalar);
    if (value.find('\0') != std::string::npos) refuse(mark, "got a value with a NUL character");
    node.scalar = value;
    node.plain = tag == "?";
    close(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnSequenceEnd() override { close_top(); }
  void OnMapEnd() override { close_top(); }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& what) const {
    throw UserError(origin_.at(mark.line + 1) + ": " + what);
  }
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor)
      refuse(mark, "got an anchor (&name), which configs do not have; write the value out");
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(mark, "got a tag (" + shortened(tag) + "), which configs do not have; remove it");
  }
  static YamlNode at(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    check(mark, tag, anchor);
    if (path_.size() >= kMaxDepth)
      refuse(mark, "expected at most " + std::to_string(kMaxDepth) + " nested levels, got more");
    path_.push_back(at(mark, kind));
  }
  void close(YamlNode node) {
    if (path_.empty()) {
      root_ = std::move(node);
    } else {
      path_.back().items.push_back(std::move(node));
    }
  }
  void close_top() {
    YamlNode node = std::move(path_.back());
    path_.pop_back();
    close(std::move(node));
  }

  const Origin& origin_;
  int documents_ = 0;
  std::vector<YamlNode> path_;
  YamlNode root_;
};

}  // namespace

std::string YamlNode::describe() const {
  switch (kind) {
    case Kind::kScalar:
      return shown(scalar);
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a mapping";
    default:
      return "nothing";
  }
}

bool is_utf8(const std::string& text) {
  const auto length = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < length;) {
    UChar32 c;
    U8_NEXT(text.data(), i, length, c);
    if (c < 0) return false;
  }
  return true;
}

YamlNode parse_yaml(const std::string& text, const Origin& origin) {
  if (text.size() > kMaxBytes) {
    throw UserError(origin.name + ": expected a config of at most 1 MiB, got " +
                    std::to_string(text.size()) + " bytes");
  }
  if (!is_utf8(text)) throw UserError(origin.name + ": expected text in UTF-8");
  if (text.find('\0') != std::string::npos)
    throw UserError(origin.name + ": expected text, got a NUL byte");
  TreeBuilder builder(origin);
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 0 : error.mark.line + 1;
    const bool tabs = text.find('\t') != std::string::npos;
    throw UserError(origin.at(line) + ": not valid YAML: " + shortened(error.msg) +
                    (tabs ? " (YAML does not indent with tabs)" : ""));
  }
  return builder.take();
}

}  // namespace lait
