// The law that a unit's result has the same bits wherever the unit lies and whatever its neighbours
// are: the same units in another order, among other dead rows.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

// p with its units in another order, and other dead rows around them.
struct Reordered {
  Problem problem;
  std::vector<size_t> order;
};
inline Reordered reorder(const Problem& p, uint64_t seed, int dead) {
  std::mt19937_64 random(seed);
  std::vector<size_t> order(p.unit_ids.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  Problem to = p;
  const int64_t width = p.heads * p.dim;
  auto move = [&](const std::vector<double>& from, const std::vector<int32_t>& offsets) {
    std::vector<double> moved = random_values(dead * width, p.dtype, random);
    for (size_t u : order)
      moved.insert(moved.end(), from.begin() + offsets[u] * width,
                   from.begin() + offsets[u + 1] * width);
    const auto tail = random_values(dead * width, p.dtype, random);
    moved.insert(moved.end(), tail.begin(), tail.end());
    return moved;
  };
  to.q = move(p.q, p.q_offsets);
  to.dout = move(p.dout, p.q_offsets);
  to.k = move(p.k, p.k_offsets);
  to.v = move(p.v, p.k_offsets);
  to.q_offsets = to.k_offsets = {dead};
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t u = order[i];
    to.q_offsets.push_back(to.q_offsets.back() + p.q_offsets[u + 1] - p.q_offsets[u]);
    to.k_offsets.push_back(to.k_offsets.back() + p.k_offsets[u + 1] - p.k_offsets[u]);
    to.unit_ids[i] = p.unit_ids[u];
  }
  to.q_rows = to.q_offsets.back() + dead;
  to.k_rows = to.k_offsets.back() + dead;
  if (!p.q_positions.empty()) to.q_positions.assign(static_cast<size_t>(to.q_rows), 0);
  auto move_words = [&](const std::vector<int32_t>& from, const std::vector<int32_t>& offsets) {
    std::vector<int32_t> moved(static_cast<size_t>(dead), kNoWord);
    for (size_t u : order)
      moved.insert(moved.end(), from.begin() + offsets[u], from.begin() + offsets[u + 1]);
    moved.resize(moved.size() + static_cast<size_t>(dead), kNoWord);
    return moved;
  };
  if (!p.lexical.empty()) {
    to.q_words = move_words(p.q_words, p.q_offsets);
    to.k_words = move_words(p.k_words, p.k_offsets);
  }
  return {to, order};
}

inline void expect_same_units(const char* what, const Reordered& r, const Problem& p,
                              const std::vector<double>& moved, const std::vector<double>& original,
                              bool queries) {
  const auto& from = queries ? p.q_offsets : p.k_offsets;
  const auto& to = queries ? r.problem.q_offsets : r.problem.k_offsets;
  const int64_t width = p.heads * p.dim;
  for (size_t i = 0; i < r.order.size(); ++i) {
    const size_t u = r.order[i];
    EXPECT_TRUE(std::equal(moved.begin() + to[i] * width, moved.begin() + to[i + 1] * width,
                           original.begin() + from[u] * width))
        << what << " of unit " << u;
  }
}

inline void expect_place_changes_no_bit(const Problem& p, uint64_t seed, const Forward& forward,
                                        const Backward& backward) {
  const Reordered r = reorder(p, seed, static_cast<int>(seed % 5));
  const Result original = run(p, forward, backward), moved = run(r.problem, forward, backward);
  expect_same_units("out", r, p, moved.out, original.out, true);
  for (size_t i = 0; i < r.order.size(); ++i) {
    const int64_t u = static_cast<int64_t>(r.order[i]), m = p.q_offsets[u + 1] - p.q_offsets[u];
    for (int64_t h = 0; h < p.heads; ++h) {
      const auto from = original.lse.begin() + h * p.q_rows + p.q_offsets[u];
      EXPECT_TRUE(std::equal(from, from + m,
                             moved.lse.begin() + h * r.problem.q_rows + r.problem.q_offsets[i]))
          << "lse of unit " << u;
    }
  }
  expect_same_units("dq", r, p, moved.dq, original.dq, true);
  expect_same_units("dk", r, p, moved.dk, original.dk, false);
  expect_same_units("dv", r, p, moved.dv, original.dv, false);
}

}  // namespace lait::kernels::testing
