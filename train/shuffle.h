// Shuffles by seed and epoch.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/philox.h"

namespace lait {

// Fisher-Yates with Philox words (std::shuffle differs between standard libraries). `stream` tells
// apart what is shuffled in an epoch.
template <class T>
void shuffle(std::vector<T>& values, uint64_t seed, uint32_t epoch, uint32_t stream) {
  for (size_t i = values.size(); i > 1; --i) {
    const auto words =
        kernels::philox(static_cast<uint32_t>(i), epoch, stream, 0xFFFFFFFEu,
                        static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    const uint64_t wide = (uint64_t{words.word[0]} << 32) | words.word[1];
    std::swap(values[i - 1], values[wide % i]);
  }
}

}  // namespace lait
