// An example as the tasks' readers give it: its segments' texts and its label, nothing of tokens yet.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lait/data/label.h"

namespace lait {

struct Example {
  // E.g. {premise, hypothesis}; at least one.
  std::vector<std::string> segments{};
  // The group of each segment, non-decreasing from 0 in steps of at most 1; empty: no groups.
  std::vector<int32_t> groups{};
  Label label{};
  // Tasks whose label set is found in the data (jsonl): the label as written; see labels.h.
  std::string label_text{};
  // Carried through to predictions and reports; may be empty.
  std::string id{};
  // What metrics group examples by: the query of a ranking, the passage of a question; may be empty.
  std::string query{}, passage{};
};

// What messages call the i-th example (from 0): "example 3", or "example 'its id'".
std::string example_name(std::span<const Example> examples, size_t i);

class Crc;
void add_label(Crc& crc, const Label& label);

// CRC-32 of the texts, groups and labels as they were written, in their order: equal for the same examples, whatever
// the label's number and the id.
uint32_t checksum(std::span<const Example> examples);

}  // namespace lait
