// An example as the tasks' readers return it: the texts of its segments and its label, before
// tokenization.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lait/data/label.h"

namespace lait {

// Where an example comes from, for messages.
struct ExampleOrigin {
  // The file's name as given; null: the example is from no file.
  std::shared_ptr<const std::string> file{};
  // From 1.
  int64_t line = 0;
};

struct Example {
  // E.g. {premise, hypothesis}; at least one.
  std::vector<std::string> segments{};
  // The group of each segment, non-decreasing from 0 in steps of at most 1; empty: no groups.
  std::vector<int32_t> groups{};
  Label label{};
  // If the label set comes from the data (jsonl, table): the label as written; see labels.h.
  std::string label_text{};
  // Copied to predictions and reports; may be empty.
  std::string id{};
  // What metrics group examples by: the query of a ranking, the passage of a question; may be
  // empty.
  std::string query{}, passage{};
  ExampleOrigin origin{};
};

// The i-th example's name in messages (from 0): "file:line", or "example 3", or "example 'its id'"
// if it is from no file.
std::string example_name(std::span<const Example> examples, size_t i);

class Crc;
void add_label(Crc& crc, const Label& label);

// CRC-32 of the texts, groups and labels as written, in order: equal for the same examples,
// whatever their ids and the labels' numbers.
uint32_t checksum(std::span<const Example> examples);

}  // namespace lait
