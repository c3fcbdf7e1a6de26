// The words of the lexical bias (MICE, arXiv 2602.16299): what a head adds to the score of a query
// and a key that are the same token in different segments.
#pragma once
#include <cstdint>

#include "kernels/philox.h"

namespace lait::kernels {

// A row's word is its token and the number of its segment in the unit, in one int32: a pair is
// decided by two operations and a comparison, and a row costs four bytes.
inline constexpr int kWordSegmentBits = 12;
inline constexpr int32_t kMaxWordSegments = 1 << kWordSegmentBits;       // of a unit
inline constexpr int32_t kMaxWordTokens = 1 << (31 - kWordSegmentBits);  // of a vocabulary
// The word of a row that matches none: of a special token.
inline constexpr int32_t kNoWord = -1;

LAIT_HOST_DEVICE int32_t word_of(int32_t token, int32_t segment) {
  return token << kWordSegmentBits | segment;
}

// Whether the tokens are the same and the segments are not: the words differ, and only in the bits
// of the segment.
LAIT_HOST_DEVICE bool words_match(int32_t q, int32_t k) {
  return static_cast<uint32_t>(q ^ k) - 1u < static_cast<uint32_t>(kMaxWordSegments - 1);
}

}  // namespace lait::kernels
