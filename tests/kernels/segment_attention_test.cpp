// Every CPU path against the reference over dtypes, head dims, layouts and variants, forward and
// backward.
#include <gtest/gtest.h>

#include <tuple>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/dropout_mask.h"
#include "tests/kernels/expect_close.h"
#include "tests/kernels/explicit_attention.h"
#include "tests/kernels/isa_table.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = 7919;

void check_all_isas(const Problem& p) {
  const Result exact =
      run(p, reference::segment_attention_forward, reference::segment_attention_backward);
  const Result peer = explicit_attention(p);
  for (const IsaKernels& isa : supported_isas()) {
    SCOPED_TRACE(isa.name);
    expect_close(p, run(p, isa.forward, isa.backward), exact, peer);
  }
}

class SegmentAttention : public ::testing::TestWithParam<std::tuple<DType, int>> {
 protected:
  void check(const std::vector<Layout>& layouts, const std::vector<Variant>& which, int64_t heads) {
    const auto [dtype, dim] = GetParam();
    for (const Layout& layout : layouts) {
      for (const Variant& variant : which) {
        SCOPED_TRACE(::testing::Message()
                     << layout.name << ' ' << variant.name << " seed " << kSeed);
        check_all_isas(make_problem(dtype, heads, dim, layout, variant, kSeed));
      }
    }
  }
};

TEST_P(SegmentAttention, ShortLayouts) { check(short_layouts(), variants(), 2); }

TEST_P(SegmentAttention, LongLayouts) {
  const bool all = std::get<1>(GetParam()) == 32;
  const auto every = variants();
  check(long_layouts(), all ? every : std::vector<Variant>{every.back()}, 1);
}

INSTANTIATE_TEST_SUITE_P(, SegmentAttention,
                         ::testing::Combine(::testing::Values(DType::kFloat32, DType::kBfloat16),
                                            ::testing::Values(32, 64, 128)),
                         [](const auto& i) {
                           return std::string(name(std::get<0>(i.param))) + "_dim" +
                                  std::to_string(std::get<1>(i.param));
                         });

// Scores far apart and far from zero: no overflow, no NaN, and a probability that underflows is
// zero.
TEST(SegmentAttentionExtremes, LargeScores) {
  for (DType dtype : {DType::kFloat32, DType::kBfloat16}) {
    SCOPED_TRACE(name(dtype));
    Problem p = make_problem(dtype, 1, 32, {"one", {40}}, variants()[0], kSeed);
    for (double& x : p.q) x = rounded(x * 60, dtype);
    check_all_isas(p);
  }
}

TEST(SegmentAttentionExtremes, DoubleGoesThroughTheReference) {
  const Problem p =
      make_problem(DType::kFloat64, 2, 32, {"some", {3, 0, 9}}, variants().back(), kSeed);
  const Result got = run(p, cpu::segment_attention_forward, cpu::segment_attention_backward);
  const Result exact =
      run(p, reference::segment_attention_forward, reference::segment_attention_backward);
  EXPECT_EQ(got.out, exact.out);
  EXPECT_EQ(got.dq, exact.dq);
  EXPECT_EQ(got.dbias, exact.dbias);
}

TEST(SegmentAttentionExtremes, LseMayBeLeftOutInInference) {
  const Problem p = make_problem(DType::kFloat32, 2, 32, {"some", {3, 0, 9}}, variants()[0], kSeed);
  for (const IsaKernels& isa : supported_isas()) {
    Call with(p), without(p);
    without.grad.forward.lse = nullptr;
    isa.forward(with.grad.forward);
    isa.forward(without.grad.forward);
    EXPECT_EQ(with.result().out, without.result().out) << isa.name;
  }
}

TEST(SegmentAttentionDropout, MaskIsThatOfPhiloxOnEveryPath) {
  expect_philox_mask(reference::segment_attention_forward, reference::segment_attention_backward);
  for (const IsaKernels& isa : supported_isas()) {
    SCOPED_TRACE(isa.name);
    expect_philox_mask(isa.forward, isa.backward);
  }
}

}  // namespace
}  // namespace lait::kernels::testing
