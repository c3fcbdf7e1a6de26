// Philox 4x32-10 against the known answers of its authors' library (Random123, kat_vectors), and
// the dropout counter.
#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <vector>

namespace lait::kernels {
namespace {

std::vector<uint32_t> words(PhiloxWords w) { return {w.word[0], w.word[1], w.word[2], w.word[3]}; }

TEST(Philox, KnownAnswers) {
  EXPECT_EQ(words(philox(0, 0, 0, 0, 0, 0)),
            (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(words(philox(kOnes, kOnes, kOnes, kOnes, kOnes, kOnes)),
            (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(words(philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)),
            (std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, DropoutCounterHoldsEveryFieldInItsPlace) {
  const Dropout d{0.1f, 0xAABBCCDD11223344ull, 0xFFFFFFF0u, 200, Site::kFfnOutput};
  EXPECT_EQ(words(dropout_words(d, 0xFFFFFFFFu, 65535, 65535, 255)),
            words(philox(0xFFFFFFF0u, 0xFFFFFFFFu, 0xFFFFFFFFu, 200u << 24 | 255u << 16 | 3u << 8,
                         0x11223344u, 0xAABBCCDDu)));
}

TEST(Philox, Threshold) {
  EXPECT_EQ(dropout_threshold(0.5f), 0x80000000u);
  EXPECT_EQ(dropout_threshold(0.25f), 0x40000000u);
  EXPECT_EQ(dropout_threshold(0.1f), static_cast<uint32_t>(0.1f * 4294967296.0 + 0.5));
}

TEST(Philox, DropsAboutTheStatedShare) {
  const Dropout d{0.1f, 42, 3, 1, Site::kAttentionOutput};
  int64_t dropped = 0;
  constexpr int kRows = 200, kBlocks = 250;
  for (uint32_t row = 0; row < kRows; ++row) {
    for (uint32_t block = 0; block < kBlocks; ++block) {
      for (uint32_t w : dropout_words(d, 9, row, block, 0).word)
        dropped += w < dropout_threshold(d.p);
    }
  }
  // 200,000 draws: the share's standard deviation is 0.0007.
  constexpr double kDraws = 4.0 * kRows * kBlocks;
  EXPECT_NEAR(static_cast<double>(dropped) / kDraws, 0.1, 0.003);
}

}  // namespace
}  // namespace lait::kernels
