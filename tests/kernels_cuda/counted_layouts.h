// The layouts on which the kernels' work is counted.
#pragma once
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

// Units of "uniform_512", or of TASK_segments and TASK_examples for a task of bench_lengths.txt.
inline std::vector<int> counted_lengths(const std::string& layout) {
  if (layout == "uniform_512") return {512, 512};
  std::ifstream file(LAIT_SOURCE_DIR "/configs/bench_lengths.txt");
  std::vector<int> units;
  std::string line;
  const std::string task = layout.substr(0, layout.find('_'));
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    int first = 0, second = 0;
    if (!(words >> name >> first >> second) || name != task) continue;
    if (layout.ends_with("segments")) {
      units.push_back(first);
      units.push_back(second);
    } else {
      units.push_back(first + second);
    }
  }
  if (units.empty()) throw std::runtime_error("no lengths for the layout " + layout);
  return units;
}

inline Problem counted_problem(const std::string& layout, int dim) {
  return make_problem(DType::kBfloat16, 2, dim, {layout, counted_lengths(layout)},
                      {.name = "plain", .fused = true}, 1, /*dead=*/0);
}

}  // namespace lait::kernels::testing
