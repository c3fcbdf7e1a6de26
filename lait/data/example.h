// An example as the tasks' readers give it: its segments' texts, its label, nothing of tokens yet.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lait {

struct Example {
  std::vector<std::string> segments{};  // e.g. {premise, hypothesis}; at least one
  std::vector<int32_t>
      groups{};  // group of each segment, non-decreasing from 0 in steps of at most 1; empty: no groups
  double label =
      -1;  // class index, or the score of a regression task; -1 (NaN in regression): none
  std::string
      label_text{};  // tasks whose label set is found in the data (jsonl): the label as written; see labels.h
  std::string id{};  // carried through to predictions and reports; may be empty
};

}  // namespace lait
