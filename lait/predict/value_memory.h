// Values of segments in memory, by their keys: those that were used last, up to a number of bytes.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "lait/base/content_hash.h"
#include "lait/cache/store_writer.h"
#include "lait/predict/segment_value.h"

namespace lait {

class ValueMemory {
 public:
  // 0: it holds nothing.
  explicit ValueMemory(int64_t most_bytes) : most_bytes_(most_bytes) {}

  // Null: it is not here. Counts as a use.
  std::shared_ptr<const SegmentValue> find(const Digest& key);
  // Drops the values whose last use is longest ago, until there is room. A value larger than the
  // whole is left out.
  void add(const Digest& key, std::shared_ptr<const SegmentValue> value);

  bool is_off() const { return most_bytes_ == 0; }
  // Of tensors; those in mapped files count, too.
  int64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Digest key;
    std::shared_ptr<const SegmentValue> value;
    int64_t bytes = 0;
  };
  const int64_t most_bytes_;
  int64_t bytes_ = 0;
  std::list<Entry> entries_;  // the last use first
  std::unordered_map<Digest, std::list<Entry>::iterator, DigestHash> places_;
};

}  // namespace lait
