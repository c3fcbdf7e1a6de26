// The label of an example: the target of training and of metrics.
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace lait {

// The kind of a task's labels and of a head's predictions. kRelevance: a number from 0 to 1, by
// which the passages of a query are ranked.
enum class LabelKind { kClass, kNumber, kRelevance, kTexts, kSpans };

struct NoLabel {
  bool operator==(const NoLabel&) const = default;
};
struct ClassLabel {
  int64_t index = 0;
  bool operator==(const ClassLabel&) const = default;
};
struct NumberLabel {
  double value = 0;
  bool operator==(const NumberLabel&) const = default;
};
// A probability for each class, e.g. soft labels of a teacher model.
struct SoftLabel {
  std::vector<float> probabilities;
  bool operator==(const SoftLabel&) const = default;
};
// Texts, any of which is correct.
struct TextLabel {
  std::vector<std::string> any_of;
  bool operator==(const TextLabel&) const = default;
};
// Bytes [begin, end) of the segment's UTF-8 text.
struct TextSpan {
  int32_t segment = 0;
  int64_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};
// Spans, any of which is correct; none: the question has no answer.
struct SpanLabel {
  std::vector<TextSpan> any_of;
  bool operator==(const SpanLabel&) const = default;
};

using Label = std::variant<NoLabel, ClassLabel, NumberLabel, SoftLabel, TextLabel, SpanLabel>;

inline bool has_label(const Label& label) { return !std::holds_alternative<NoLabel>(label); }

}  // namespace lait
