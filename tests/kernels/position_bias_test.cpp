// Relative position buckets against values printed by Hugging Face's
// T5Attention._relative_position_bucket (PyTorch 2.11).
#include "kernels/position_bias.h"

#include <gtest/gtest.h>

#include <vector>

namespace lait::kernels {
namespace {

struct Buckets {
  int32_t num_buckets, max_distance;
  bool bidirectional;
  // Distances back at which the bucket changes, from the first logarithmic one on, up to 3000.
  std::vector<int> changes;
};

TEST(PositionBucket, ChangesWhereHuggingFaceDoes) {
  const std::vector<Buckets> all = {
      {32, 128, true, {8, 12, 16, 23, 32, 46, 64, 91}},
      {32, 20, true, {8, 9, 11, 12, 13, 15, 16, 18}},
      {64, 256, true, {16, 20, 23, 27, 32, 39, 46, 54, 64, 77, 91, 108, 128, 153, 182, 216}},
      {8, 16, true, {2, 6}},
      {32, 128, false, {16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113}},
      {32, 20, false, {16, 17, 18, 19, 20}},
      {64, 256, false, {32,  35,  37,  39,  42,  45,  48,  51,  54,  58,  62,
                        66,  70,  75,  80,  85,  91,  97,  104, 110, 118, 126,
                        134, 143, 153, 163, 174, 185, 198, 211, 225, 240}},
      {8, 16, false, {4, 6, 8, 12}}};
  for (const Buckets& b : all) {
    SCOPED_TRACE(::testing::Message() << b.num_buckets << " buckets to " << b.max_distance
                                      << (b.bidirectional ? " bidirectional" : " causal"));
    const int half = b.bidirectional ? b.num_buckets / 2 : b.num_buckets, exact = half / 2;
    std::vector<int> changes;
    for (int distance = 1; distance < 3000; ++distance) {
      const int now = position_bucket(-distance, b.num_buckets, b.max_distance, b.bidirectional);
      if (distance < exact) {
        EXPECT_EQ(now, distance);
      } else if (now !=
                 position_bucket(-distance + 1, b.num_buckets, b.max_distance, b.bidirectional)) {
        changes.push_back(distance);
      }
      const int ahead = position_bucket(distance, b.num_buckets, b.max_distance, b.bidirectional);
      EXPECT_EQ(ahead, b.bidirectional ? half + now : 0);
    }
    EXPECT_EQ(changes, b.changes);
    EXPECT_EQ(position_bucket(-65535, b.num_buckets, b.max_distance, b.bidirectional), half - 1);
    EXPECT_EQ(position_bucket(0, b.num_buckets, b.max_distance, b.bidirectional), 0);
  }
}

}  // namespace
}  // namespace lait::kernels
