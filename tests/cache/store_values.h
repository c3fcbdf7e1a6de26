// Keys, and the value that a test stores under each: both functions of a number, so that any value
// that is read can be checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "lait/base/content_hash.h"
#include "lait/cache/segment_store.h"

namespace lait {

inline Digest key_of(uint64_t number) {
  ContentHash hash;
  hash.add(&number, sizeof(number));
  return hash.digest();
}

// Of 0 to 3000 bytes.
inline std::vector<std::byte> value_of(uint64_t number) {
  std::vector<std::byte> value(number * 769 % 3001);
  uint64_t state = number;
  for (std::byte& byte : value) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return value;
}

inline void append(SegmentStore& store, uint64_t number) {
  store.append(key_of(number), {value_of(number)});
}

enum class Found { kAbsent, kRight, kWrong };
inline Found look_up(const SegmentStore& store, uint64_t number) {
  const auto found = store.find(key_of(number));
  if (!found) return Found::kAbsent;
  const std::vector<std::byte> value = value_of(number);
  const bool is_right =
      found->bytes.size() == value.size() &&
      (value.empty() || std::memcmp(found->bytes.data(), value.data(), value.size()) == 0);
  return is_right ? Found::kRight : Found::kWrong;
}

// How many of the numbers 0 … count - 1 are there and right; -1: one is wrong.
inline int num_right(const SegmentStore& store, int count) {
  int right = 0;
  for (int n = 0; n < count; ++n) {
    const Found found = look_up(store, static_cast<uint64_t>(n));
    if (found == Found::kWrong) return -1;
    right += found == Found::kRight;
  }
  return right;
}

}  // namespace lait
