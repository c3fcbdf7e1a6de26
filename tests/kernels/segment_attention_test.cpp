// Every CPU path against the reference over dtypes, head dims, layouts and variants, forward and
// backward.
#include <gtest/gtest.h>

#include <tuple>

#include "tests/kernels/attention_case.h"
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

// The mask itself, seen through the outputs: with all scores equal and one-hot values, out(i, d) !=
// 0 exactly where pair (i, d) is kept; and through the gradients: dv(j, d) sums dout(i, d) over the
// kept queries.
TEST(SegmentAttentionDropout, MaskIsThatOfPhiloxOnEveryPath) {
  Variant variant = {.name = "dropout", .dropout = 0.4f};
  Problem p =
      make_problem(DType::kFloat32, 2, 64, {"one", {5, 61, 1, 37}}, variant, kSeed, /*dead=*/0);
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
  auto check = [&](const Result& r) {
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
  };
  check(run(p, reference::segment_attention_forward, reference::segment_attention_backward));
  for (const IsaKernels& isa : supported_isas()) {
    SCOPED_TRACE(isa.name);
    check(run(p, isa.forward, isa.backward));
  }
}

}  // namespace
}  // namespace lait::kernels::testing
