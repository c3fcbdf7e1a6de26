// A hash table from words to token ids, for words that are looked up without building a string.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/tokenizer.h"

namespace lait {

class WordTable {
 public:
  // Requires: add is called at most `capacity` times, with less than 4 GiB of words in all.
  explicit WordTable(size_t capacity) {
    const size_t size = std::bit_ceil(2 * capacity + 16);
    shift_ = 64 - std::countr_zero(size);
    slots_.assign(size, {0, 0, 0, kNoToken});
  }

  void add(std::string_view word, int32_t id) {
    const uint64_t hash = hash_of(word);
    size_t i = hash >> shift_;
    while (slots_[i].id != kNoToken) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {static_cast<uint32_t>(hash), static_cast<uint32_t>(bytes_.size()),
                 static_cast<uint32_t>(word.size()), id};
    bytes_ += word;
  }

  // The id of word, or kNoToken.
  int32_t find(std::string_view word) const {
    const uint64_t hash = hash_of(word);
    for (size_t i = hash >> shift_;; i = (i + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[i];
      if (slot.id == kNoToken) return kNoToken;
      if (slot.hash == static_cast<uint32_t>(hash) && slot.size == word.size() &&
          std::memcmp(bytes_.data() + slot.begin, word.data(), word.size()) == 0)
        return slot.id;
    }
  }

 private:
  struct Slot {
    uint32_t hash, begin, size;
    int32_t id;  // kNoToken: empty
  };

  // Eight bytes a step; good enough for words that no one chooses to collide with the 2^16 or so of
  // a vocabulary.
  static uint64_t hash_of(std::string_view word) {
    constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
    uint64_t hash = word.size() * kFactor, part;
    const char* at = word.data();
    size_t left = word.size();
    for (; left >= sizeof(part); left -= sizeof(part), at += sizeof(part)) {
      std::memcpy(&part, at, sizeof(part));
      hash = std::rotl((hash ^ part) * kFactor, 29);
    }
    part = 0;
    std::memcpy(&part, at, left);
    hash = (hash ^ part) * kFactor;
    return (hash ^ hash >> 32) * kFactor;
  }

  // Open addressing, at most half full.
  std::vector<Slot> slots_;
  // 64 - log2(slots_.size()).
  int shift_ = 0;
  // The words, one behind the other.
  std::string bytes_;
};

}  // namespace lait
