// When words match: the same token in different segments.
#include "kernels/lexical_bias.h"

#include <gtest/gtest.h>

namespace lait::kernels {
namespace {

TEST(LexicalBias, WordsMatchWhereTokensAreTheSameAndSegmentsAreNot) {
  const int32_t tokens[] = {0, 1, 101, 30521, kMaxWordTokens - 1},
                segments[] = {0, 1, 2, kMaxWordSegments - 1};
  for (const int32_t a : tokens) {
    for (const int32_t b : tokens) {
      for (const int32_t s : segments) {
        for (const int32_t t : segments) {
          EXPECT_EQ(words_match(word_of(a, s), word_of(b, t)), a == b && s != t)
              << a << " of " << s << ", " << b << " of " << t;
        }
      }
    }
  }
}

TEST(LexicalBias, NoWordMatchesNothing) {
  EXPECT_FALSE(words_match(kNoWord, kNoWord));
  for (const int32_t word : {0, 1, word_of(7, 3), word_of(kMaxWordTokens - 1, 0),
                             word_of(kMaxWordTokens - 1, kMaxWordSegments - 1)}) {
    EXPECT_FALSE(words_match(kNoWord, word)) << word;
    EXPECT_FALSE(words_match(word, kNoWord)) << word;
  }
}

}  // namespace
}  // namespace lait::kernels
