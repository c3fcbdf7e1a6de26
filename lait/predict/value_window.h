// How many examples are predicted at once where their segments have values: so many that batches
// have texts of similar lengths, so few that their values fit into memory.
#pragma once
#include <cstdint>
#include <string_view>

#include "lait/data/example.h"
#include "lait/predict/segment_values.h"

namespace lait {

// Of values.
inline constexpr int64_t kWindowBytes = int64_t{1} << 30;

class ValueWindow {
 public:
  // `values` is null for a model without: then only examples count.
  ValueWindow(const SegmentValues* values, int64_t most_examples, int64_t most_bytes = kWindowBytes)
      : values_(values), most_examples_(most_examples), most_bytes_(most_bytes) {}

  // An example with these segments, or with one.
  void add(const Example& example) {
    ++examples_;
    for (const std::string& segment : example.segments) add_bytes(segment);
  }
  void add(std::string_view segment, bool is_first = false) {
    ++examples_;
    add_bytes(segment, is_first);
  }
  bool is_full() const { return examples_ >= most_examples_ || bytes_ >= most_bytes_; }
  void clear() { examples_ = bytes_ = 0; }

 private:
  void add_bytes(std::string_view segment, bool is_first = false) {
    if (values_ != nullptr) bytes_ += values_->likely_bytes(segment.size(), is_first);
  }

  const SegmentValues* values_;
  const int64_t most_examples_, most_bytes_;
  int64_t examples_ = 0, bytes_ = 0;
};

}  // namespace lait
