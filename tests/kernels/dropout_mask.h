// The law that every implementation drops exactly the pairs that the counter-based generator of
// kernels/philox.h selects.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

// The mask itself, seen through the outputs: with all scores equal and one-hot values, out(i, d) !=
// 0 exactly where pair (i, d) is kept; and through the gradients: dv(j, d) sums dout(i, d) over the
// kept queries.
inline void expect_philox_mask(const Forward& forward, const Backward& backward) {
  Variant variant = {.name = "dropout", .dropout = 0.4f};
  Problem p =
      make_problem(DType::kFloat32, 2, 64, {"one", {5, 61, 1, 37}}, variant, 7919, /*dead=*/0);
  std::fill(p.q.begin(), p.q.end(), 0.0);
  std::fill(p.v.begin(), p.v.end(), 0.0);
  std::fill(p.dout.begin(), p.dout.end(), 0.0);
  for (size_t u = 0; u + 1 < p.k_offsets.size(); ++u) {
    for (int t = p.k_offsets[u]; t < p.k_offsets[u + 1]; ++t) {
      for (int h = 0; h < 2; ++h) {
        p.v[static_cast<size_t>((t * 2 + h) * 64 + t - p.k_offsets[u])] = 1;
        p.dout[static_cast<size_t>((t * 2 + h) * 64 + t - p.k_offsets[u])] = 1;
      }
    }
  }
  const Result r = run(p, forward, backward);
  for (size_t u = 0; u + 1 < p.k_offsets.size(); ++u) {
    const int begin = p.k_offsets[u], n = p.k_offsets[u + 1] - begin;
    for (int h = 0; h < 2; ++h) {
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < n; ++j) {
          const auto words = philox(
              7, static_cast<uint32_t>(p.unit_ids[u]), static_cast<uint32_t>(i << 16 | j / 4),
              5u << 24 | static_cast<uint32_t>(h) << 16 | 1u << 8, 0x89ABCDEFu, 0x01234567u);
          const bool kept = words.word[j % 4] >= dropout_threshold(0.4f);
          ASSERT_EQ(r.out[static_cast<size_t>(((begin + i) * 2 + h) * 64 + j)] != 0, kept)
              << u << ' ' << h << ' ' << i << ' ' << j;
          ASSERT_EQ(r.dv[static_cast<size_t>(((begin + j) * 2 + h) * 64 + i)] != 0, kept)
              << u << ' ' << h << ' ' << i << ' ' << j;
        }
      }
    }
  }
}

}  // namespace lait::kernels::testing
