// The work list's laws: every query row, and every key row of the backward pass, is owned by
// exactly one warp; a team's warps are in one block and take one unit; the longest come first.
#include "kernels/work_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lait::kernels {
namespace {

struct Owned {
  std::vector<int> queries, keys;  // how often each row is owned
};

Owned check_list(const std::vector<int32_t>& q_offsets, const std::vector<int32_t>& k_offsets,
                 int head_dim) {
  const HostWorkList list = make_work_list(q_offsets.data(), k_offsets.data(),
                                           static_cast<int64_t>(q_offsets.size()) - 1, head_dim);
  const int rows = rows_of_warp(head_dim);
  Owned owned{std::vector<int>(static_cast<size_t>(q_offsets.back())),
              std::vector<int>(static_cast<size_t>(k_offsets.back()))};
  auto own = [&](const std::vector<int32_t>& offsets, int32_t unit, int32_t begin,
                 std::vector<int>& counts) {
    for (int32_t i = begin; i < std::min(begin + rows, offsets[unit + 1] - offsets[unit]); ++i)
      ++counts[static_cast<size_t>(offsets[unit] + i)];
  };
  size_t at = 0;
  for (int part = 0; part < 3; ++part) {
    for (int size = 0; size < 3; ++size) {
      int64_t before = INT64_MAX;
      for (int team = 0; team < list.blocks[part][size] * 4 >> size; ++team) {
        const int32_t unit = list.tiles.at(at), begin = list.tiles.at(at + 1);
        for (int warp = 0; warp < 1 << size; ++warp, at += 2) {
          EXPECT_EQ(list.tiles.at(at), unit);
          if (unit < 0) continue;
          EXPECT_EQ(list.tiles.at(at + 1), begin + warp * rows);
          if (part != kByKey) own(q_offsets, unit, begin + warp * rows, owned.queries);
          if (part != kByQuery) own(k_offsets, unit, begin + warp * rows, owned.keys);
        }
        if (unit < 0) continue;
        const auto& offsets = part == kByKey ? k_offsets : q_offsets;
        const auto& others = part == kByKey ? q_offsets : k_offsets;
        const int own_rows =
            part == kTogether ? offsets[unit + 1] - offsets[unit]
                              : std::min(offsets[unit + 1] - offsets[unit] - begin, rows << size);
        const int64_t cost = int64_t{own_rows} * (others[unit + 1] - others[unit]);
        EXPECT_LE(cost, before);
        before = cost;
      }
    }
  }
  EXPECT_EQ(at, list.tiles.size());
  return owned;
}

TEST(WorkList, EveryRowIsOwnedOnce) {
  std::mt19937 random(11);
  for (const int head_dim : {32, 64, 128}) {
    for (int round = 0; round < 50; ++round) {
      SCOPED_TRACE(::testing::Message() << "seed 11 head_dim " << head_dim << " round " << round);
      std::vector<int32_t> q_offsets = {0}, k_offsets = {0};
      const int num_units = static_cast<int>(random() % 60);
      for (int u = 0; u < num_units; ++u) {
        const int n =
            random() % 4 == 0 ? static_cast<int>(random() % 700) : static_cast<int>(random() % 40);
        q_offsets.push_back(q_offsets.back() + (round % 2 ? n : static_cast<int>(random() % 90)));
        k_offsets.push_back(k_offsets.back() + n);
      }
      const Owned owned = check_list(q_offsets, k_offsets, head_dim);
      EXPECT_TRUE(std::ranges::all_of(owned.queries, [](int n) { return n == 1; }));
      EXPECT_TRUE(std::ranges::all_of(owned.keys, [](int n) { return n == 1; }));
    }
  }
}

TEST(WorkList, NoUnitsNoBlocks) {
  const int32_t offsets[] = {3, 3, 3};
  EXPECT_TRUE(make_work_list(offsets, offsets, 2, 64).tiles.empty());
  EXPECT_TRUE(make_work_list(offsets, offsets, 0, 64).tiles.empty());
}

}  // namespace
}  // namespace lait::kernels
