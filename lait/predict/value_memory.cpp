#include "lait/predict/value_memory.h"

namespace lait {
namespace {

// What list, map and tensors take for each value, about.
constexpr int64_t kEntryBytes = 512;

int64_t bytes_of(const SegmentValue& value) {
  return kEntryBytes + static_cast<int64_t>(value.body.nbytes()) +
         (value.mean.defined() ? static_cast<int64_t>(value.mean.nbytes()) : 0) +
         (value.scales.defined() ? static_cast<int64_t>(value.scales.nbytes()) : 0) +
         static_cast<int64_t>(value.tokens.size_bytes());
}

}  // namespace

std::shared_ptr<const SegmentValue> ValueMemory::find(const Digest& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->value;
}

void ValueMemory::add(const Digest& key, std::shared_ptr<const SegmentValue> value) {
  const int64_t bytes = bytes_of(*value);
  if (bytes > most_bytes_ || places_.contains(key)) return;
  // What may throw, first: nothing has changed then.
  std::list<Entry> added;
  added.push_front({key, std::move(value), bytes});
  places_.emplace(key, added.begin());
  while (bytes_ + bytes > most_bytes_) {
    bytes_ -= entries_.back().bytes;
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.splice(entries_.begin(), added);
  bytes_ += bytes;
}

}  // namespace lait
