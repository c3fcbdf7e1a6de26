// Random examples of every kind that a data set stores.
#pragma once
#include <random>
#include <string>
#include <vector>

#include "lait/data/example.h"

namespace lait {

inline Label random_label(std::mt19937& random) {
  const auto value = static_cast<int64_t>(random() % 5);
  const std::string text(static_cast<size_t>(value), 'x');
  switch (random() % 6) {
    case 0:
      return NoLabel{};
    case 1:
      return ClassLabel{value};
    case 2:
      return NumberLabel{static_cast<double>(value) / 3};
    case 3:
      return SoftLabel{std::vector<float>(static_cast<size_t>(value), 0.25f)};
    case 4:
      return TextLabel{{text, "", "y" + text}};
    default:
      return SpanLabel{{{.segment = 1, .begin = value, .end = value + 2}, {}}};
  }
}

// One to four segments of up to `longest` letters, many of them equal; some examples have groups.
inline std::vector<Example> random_examples_of_all_kinds(std::mt19937& random, int count,
                                                         int longest) {
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::vector<Example> examples(static_cast<size_t>(count));
  for (Example& example : examples) {
    const bool has_groups = below(2) == 0;
    for (int s = 0, segments = 1 + below(4); s < segments; ++s) {
      example.segments.emplace_back(static_cast<size_t>(below(longest + 1)),
                                    static_cast<char>('a' + below(3)));
      if (has_groups) example.groups.push_back(s == 0 ? 0 : example.groups.back() + below(2));
    }
    example.label = random_label(random);
    if (below(2) == 0) example.query.assign(1, static_cast<char>('p' + below(3)));
    if (below(2) == 0) example.passage.assign(1, static_cast<char>('s' + below(3)));
  }
  return examples;
}

}  // namespace lait
