// Answers as question answering's files write them, as spans of a text.
#pragma once
#include <cstdint>
#include <string>

#include "lait/data/label.h"
#include "lait/data/records.h"

namespace lait {

struct ReadSpans {
  SpanLabel label{};
  // Answers that the text does not have at their place; the first is named: "expected …, got …".
  int64_t num_bad = 0;
  std::string first_bad{};
};

// Of [{"text": …, "answer_start": …}, …], or {"text": […, …], "answer_start": […, …]}. Places are
// counted in characters (code points) of `text`, the segment of that number. An answer that is
// listed twice counts once. Throws BadLine for another form.
ReadSpans read_spans(const Record::Json& value, const std::string& field, const std::string& text,
                     int64_t segment);

}  // namespace lait
