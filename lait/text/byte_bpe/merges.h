// The merges of byte-pair encoding: in a word, the neighbours whose merge ranks lowest are joined
// first, the leftmost of equals first, until no neighbours have a merge.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lait {

struct Merge {
  // Ids of the two tokens and of the joined one.
  int32_t left, right, joined;
  bool operator==(const Merge&) const = default;
};

class Merges {
 public:
  // In the order of their ranks. Of equal pairs the last one counts, as in Hugging Face.
  explicit Merges(const std::vector<Merge>& merges);

  struct Part {
    int32_t id;
    // Bytes of the word.
    uint32_t begin, end;
  };
  // Merges a word whose bytes have the ids `byte_ids[byte]`, in n log n steps. The parts stay valid
  // until the thread's next call. Requires: word is not empty and under 4 GiB.
  const std::vector<Part>& apply(std::string_view word, const int32_t* byte_ids) const;

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;

  struct Slot {
    uint64_t pair;  // left << 32 | right
    uint32_t rank;
    int32_t joined;
  };
  static uint64_t pair_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot(uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15u) >> shift_; }
  uint32_t rank(int32_t left, int32_t right) const;

  // Open addressing, at most half full; a slot without merge has kNoRank.
  std::vector<Slot> slots_;
  // 64 - log2(slots_.size()).
  int shift_ = 0;
  // Of each rank.
  std::vector<int32_t> joined_;
};

}  // namespace lait
