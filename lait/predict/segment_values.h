// Values of segments (segment_value.h), from memory, from a store or computed: each distinct
// segment at most once.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lait/data/dataset.h"
#include "lait/predict/value_memory.h"
#include "lait/predict/value_plan.h"
#include "lait/predict/value_store.h"

namespace lait {

// A segment in its place.
struct PlacedSegment {
  // With its prompt, as parts_of gives it.
  std::string text;
  // Whether it is its example's first in the model's input.
  bool is_first = false;
  size_t example = 0;   // its index
  int32_t segment = 0;  // of the example
  // False: its value is added to memory, but not to the store (a query: few come again).
  bool is_stored = true;
};
// The segments of all examples, in the order of the model's input.
std::vector<PlacedSegment> placed_segments(std::span<const Example> examples,
                                           const TokenizeOptions& options);

// About the tokens of a text, by its bytes: at most `most`.
int64_t likely_tokens(size_t text_bytes, int64_t most);

// Each text as that segment of a pair whose other segment is empty, in its place; `example` is its
// index.
std::vector<PlacedSegment> placed_texts(std::span<const std::string> texts, int32_t segment,
                                        const TokenizeOptions& options);

class SegmentValues {
 public:
  // Throws UserError as value_plan does.
  SegmentValues(Model model, std::shared_ptr<const Tokenizer> tokenizer, const Schedule& schedule,
                StoreUse use = {});

  const ValuePlan& plan() const { return plan_; }
  // By index. Computes those that memory and store lack, and adds them to both. Throws TooLong for
  // the segment's example if the model's on_overflow forbids truncation; WriteError if the store
  // cannot be written.
  std::vector<std::shared_ptr<const SegmentValue>> of(std::span<const PlacedSegment> segments);
  // Adds the values of segments to the store, one batch after another; nothing else holds them.
  // False if should_stop, which is asked between batches and may be null, returned true. Throws as
  // `of`, before anything is computed. REQUIRES: there is a store to write.
  bool add(std::span<const PlacedSegment> segments, const std::function<bool()>& should_stop);
  // Makes what was added durable, and visible to other processes.
  void commit() { store_.commit(); }
  // From now on the store is only read (its disk is full).
  void stop_writing() { store_.stop_writing(); }
  bool writes() const { return store_.writes(); }
  // About the bytes of a value in the compute type, by those of its text.
  int64_t likely_bytes(size_t text_bytes, bool is_first = false) const;

  struct Counts {
    // Of distinct segments of each call that had no error; found: in memory or in the store.
    int64_t found = 0, computed = 0;
    int64_t found_in_memory = 0;
    int64_t computed_tokens = 0, computed_bytes = 0;
  };
  const Counts& counts() const { return counts_; }
  // Whether there is a store or memory.
  bool keeps() const { return store_.store() != nullptr || !memory_.is_off(); }
  // What values take in memory now (StoreUse::memory_bytes).
  int64_t memory_bytes() const { return memory_.bytes(); }
  // What else computed values that were used (StoredValue::made_by); empty: only what computes
  // here.
  const std::vector<std::string>& other_makers() const { return store_.other_makers(); }

 private:
  const ValueFormat& format_of(const PlacedSegment& segment) const {
    return segment.is_first ? plan_.first : plan_.others;
  }
  std::vector<std::shared_ptr<const SegmentValue>> found_or_computed(
      std::span<const PlacedSegment> segments);
  Digest key_of(const PlacedSegment& segment) const;
  // Keeps it in memory; returns what is kept.
  std::shared_ptr<const SegmentValue> remember(const Digest& key,
                                               std::shared_ptr<const SegmentValue> value);
  // In memory, else in the store.
  std::shared_ptr<const SegmentValue> find(const Digest& key, const ValueFormat& format);
  // Calls made(i, value) for each segment which[i], in batches. False as `add`.
  bool compute(std::span<const PlacedSegment> segments, std::span<const size_t> which,
               const std::function<void(size_t, const ValueBytes&)>& made,
               const std::function<bool()>& should_stop);

  Model model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  ValuePlan plan_;
  TokenizeOptions options_;
  ValueMemory memory_;
  ValueStore store_;
  Counts counts_;
};

}  // namespace lait
