#include "lait/data/example.h"

#include <array>

#include "lait/base/shown_text.h"
#include "lait/data/crc.h"

namespace lait {

std::string example_name(std::span<const Example> examples, size_t i) {
  return "example " + (examples[i].id.empty() ? std::to_string(i + 1) : shown(examples[i].id));
}

uint32_t checksum(std::span<const Example> examples) {
  Crc crc;
  for (const Example& example : examples) {
    for (const std::string& segment : example.segments) crc.add(segment);
    crc.add(example.groups);
    crc.add(example.label_text);
    if (example.label_text.empty()) crc.add(std::array{example.label});
  }
  return crc.value();
}

}  // namespace lait
