#include "lait/data/example.h"

#include <array>

#include "lait/base/shown_text.h"
#include "lait/data/crc.h"

namespace lait {
namespace {

struct AddLabel {
  Crc& crc;
  void operator()(const NoLabel&) { crc.add(std::array{-1.0}); }
  void operator()(const ClassLabel& label) {
    crc.add(std::array{static_cast<double>(label.index)});
  }
  void operator()(const NumberLabel& label) { crc.add(std::array{label.value}); }
  void operator()(const SoftLabel& label) { crc.add(label.probabilities); }
  void operator()(const TextLabel& label) {
    for (const std::string& text : label.any_of) crc.add(text);
  }
  void operator()(const SpanLabel& label) {
    for (const TextSpan& span : label.any_of)
      crc.add(std::array{static_cast<int64_t>(span.segment), span.begin, span.end});
  }
};

}  // namespace

std::string example_name(std::span<const Example> examples, size_t i) {
  const ExampleOrigin& origin = examples[i].origin;
  if (origin.file) return *origin.file + ":" + std::to_string(origin.line);
  return "example " + (examples[i].id.empty() ? std::to_string(i + 1) : shown(examples[i].id));
}

void add_label(Crc& crc, const Label& label) { std::visit(AddLabel{crc}, label); }

uint32_t checksum(std::span<const Example> examples) {
  Crc crc;
  for (const Example& example : examples) {
    for (const std::string& segment : example.segments) crc.add(segment);
    crc.add(example.groups);
    crc.add(example.label_text);
    if (example.label_text.empty()) add_label(crc, example.label);
  }
  return crc.value();
}

}  // namespace lait
