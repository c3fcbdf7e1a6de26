// YAML that is broken, huge, deep or tricky ends in one clear message, never in a crash.
#include "lait/config/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/base/error.h"
#include "lait/config/read.h"

namespace lait {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(const std::string& text) {
  try {
    parse_yaml(text, {"a.yaml"});
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(YamlTree, Nodes) {
  const YamlNode root = parse_yaml("a: 1\nb:\n  - '2'\n  - ~\n  - {c: \"\"}\n", {"a.yaml"});
  ASSERT_EQ(root.kind, YamlNode::Kind::kMap);
  ASSERT_EQ(root.items.size(), 4u);
  EXPECT_EQ(root.items[0].scalar, "a");
  EXPECT_TRUE(root.items[1].plain);
  EXPECT_EQ(root.items[2].line, 2);
  const YamlNode& list = root.items[3];
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_EQ(list.items[0].scalar, "2");
  EXPECT_FALSE(list.items[0].plain);
  EXPECT_EQ(list.items[0].line, 3);
  EXPECT_EQ(list.items[1].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(list.items[2].kind, YamlNode::Kind::kMap);
  EXPECT_EQ(list.items[2].line, 5);
  EXPECT_EQ(list.items[2].items[1].kind, YamlNode::Kind::kScalar);
}

TEST(YamlTree, Refused) {
  EXPECT_THAT(error_of("a: b\n---\nc: d\n"),
              HasSubstr("a.yaml:2: expected one YAML document, got a second one"));
  EXPECT_THAT(
      error_of("a: &x 1\nb: *x\n"),
      HasSubstr("a.yaml:1: got an anchor (&name), which configs do not have; write the value out"));
  EXPECT_THAT(error_of("a: !!python/object:os.system x\n"),
              HasSubstr("a.yaml:1: got a tag (tag:yaml.org,2002:python/object:os.system)"));
  EXPECT_THAT(error_of("a:\n\tb: c\n"), HasSubstr("(YAML does not indent with tabs)"));
  EXPECT_THAT(error_of("a: b\nc: [d\ne: f\n"), StartsWith("a.yaml:3: not valid YAML: "));
  EXPECT_THAT(error_of("a: \xFF\n"), HasSubstr("a.yaml: expected text in UTF-8"));
  EXPECT_THAT(error_of(std::string("a: \0b\n", 6)),
              HasSubstr("a.yaml: expected text, got a NUL byte"));
  EXPECT_THAT(error_of("a: \"x\\0y\"\n"), HasSubstr("a.yaml:1: got a value with a NUL character"));
  EXPECT_THAT(error_of(std::string((1 << 20) + 1, '#')),
              HasSubstr("expected a config of at most 1 MiB, got 1048577 bytes"));
}

TEST(YamlTree, AliasBombAndDepth) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i)
      bomb += (i ? ", *" : "*") + std::string(1, static_cast<char>(c - 1));
    bomb += "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("a.yaml:1: got an anchor"));
  EXPECT_THAT(error_of("a: &a\n  b: *a\n"), HasSubstr("an anchor"));
  for (const char* open : {"[", "{a: ", "- ", "? ", "[{", "{? [", "- a: "}) {
    std::string deep;
    for (int i = 0; i < 20000; ++i) deep += open;
    EXPECT_NE(error_of(deep), "") << open;
  }
  std::string indented;
  for (int i = 0; i < 1000; ++i) indented += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(error_of(indented), HasSubstr("expected at most 16 nested levels, got more"));
  EXPECT_THAT(error_of(std::string(40, '[') + std::string(40, ']')),
              HasSubstr("expected at most 16 nested levels, got more"));
}

// Random damage to a config: parsed or refused with a UserError, nothing else.
TEST(YamlTree, RandomText) {
  const std::string seed_text =
      "task: sick\nmodel:\n  path: \"m\\x41\"\n  schedule: [{num_layers: 2, scope: segment}, "
      "{num_layers: 4, scope: example}]\n"
      "data:\n  train: ['a', b]\n  test: |\n    x\n    y\ntraining: {epochs: 2, learning_rate: "
      "1e-4}\noutput:\n  dir: ${HOME}/x # c\n";
  const std::string pieces[] = {
      "[",  "]",      "{",  "}", ":",  ": ", "- ", "\n", "\n  ",        "&a ",   "*a",
      "!",  "!!str ", "|",  ">", "\"", "'",  "#",  "? ", "%YAML 1.1\n", "---\n", "...",
      "\t", "\\u",    "${", "é", ",",  "@",  "`",  "<<", "~",           "\r",    "\xEF\xBB\xBF"};
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    std::string text = seed_text;
    for (int edits = 1 + static_cast<int>(random() % 6); edits > 0; --edits) {
      const size_t at = random() % (text.size() + 1);
      switch (random() % 3) {
        case 0:
          text.erase(at, random() % 20);
          break;
        case 1:
          text.insert(at, pieces[random() % std::size(pieces)]);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 30));
      }
    }
    try {
      parse_config(text, "a.yaml", {});
    } catch (const UserError& error) {
      EXPECT_THAT(std::string(error.what()), StartsWith("a.yaml")) << "seed " << seed;
    } catch (const std::exception& error) {
      ADD_FAILURE() << "seed " << seed << ": " << error.what() << "\n" << text;
    }
  }
}

}  // namespace
}  // namespace lait
