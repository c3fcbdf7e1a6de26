// An example as the tasks' readers give it: its segments' texts, its label, nothing of tokens yet.
#pragma once
#include <cstdint>
#include <span>
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

// What messages call the i-th example (from 0): "example 3", or "example 'its id'".
std::string example_name(std::span<const Example> examples, size_t i);

// CRC-32 of the texts, groups and labels as they were written, in their order: equal for the same examples, whatever the
// label's number and the id.
uint32_t checksum(std::span<const Example> examples);

}  // namespace lait
