// The cases that every implementation of the kernels is tested on: dtypes x head dims, each over
// the same layouts and variants.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/kernels/attention_case.h"

namespace lait::kernels::testing {

inline constexpr uint64_t kLadderSeed = 7919;

using Rung = std::tuple<DType, int>;  // dtype, head dim

inline auto rungs() {
  return ::testing::Combine(::testing::Values(DType::kFloat32, DType::kBfloat16),
                            ::testing::Values(32, 64, 128));
}
inline std::string rung_name(const ::testing::TestParamInfo<Rung>& info) {
  return std::string(name(std::get<0>(info.param))) + "_dim" +
         std::to_string(std::get<1>(info.param));
}

// check(problem) for each layout and variant.
template <class Check>
void for_each_problem(const Rung& rung, const std::vector<Layout>& layouts,
                      const std::vector<Variant>& which, int64_t heads, const Check& check) {
  const auto [dtype, dim] = rung;
  for (const Layout& layout : layouts) {
    for (const Variant& variant : which) {
      SCOPED_TRACE(::testing::Message()
                   << layout.name << ' ' << variant.name << " seed " << kLadderSeed);
      check(make_problem(dtype, heads, dim, layout, variant, kLadderSeed));
    }
  }
}

template <class Check>
void check_short_layouts(const Rung& rung, const Check& check) {
  for_each_problem(rung, short_layouts(), variants(), 2, check);
}

// All variants at one head dim, the last one, which has everything switched on, at the others.
template <class Check>
void check_long_layouts(const Rung& rung, const Check& check) {
  const auto every = variants();
  for_each_problem(rung, long_layouts(),
                   std::get<1>(rung) == 32 ? every : std::vector<Variant>{every.back()}, 1, check);
}

}  // namespace lait::kernels::testing
