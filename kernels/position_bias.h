// T5's relative position buckets: Hugging Face's T5Attention._relative_position_bucket, in float as
// there.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/philox.h"

namespace lait::kernels {

// Bucket of a key at `relative` = key position - query position.
LAIT_HOST_DEVICE int32_t position_bucket(int32_t relative, int32_t num_buckets,
                                         int32_t max_distance, bool bidirectional) {
  int32_t bucket = 0;
  if (bidirectional) {
    num_buckets /= 2;
    if (relative > 0) bucket = num_buckets;
    relative = relative < 0 ? -relative : relative;
  } else {
    relative = relative < 0 ? -relative : 0;
  }
  const int32_t exact = num_buckets / 2;
  if (relative < exact) return bucket + relative;
  const float ratio =
      logf(static_cast<float>(relative) / static_cast<float>(exact)) /
      static_cast<float>(log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const int32_t large =
      exact + static_cast<int32_t>(ratio * static_cast<float>(num_buckets - exact));
  return bucket + (large < num_buckets - 1 ? large : num_buckets - 1);
}

}  // namespace lait::kernels
