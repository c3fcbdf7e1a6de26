// Every CPU path against the reference over dtypes, head dims, layouts and variants, forward and
// backward.
#include <gtest/gtest.h>

#include "tests/kernels/attention_ladder.h"
#include "tests/kernels/dropout_mask.h"
#include "tests/kernels/expect_close.h"
#include "tests/kernels/explicit_attention.h"
#include "tests/kernels/isa_table.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = kLadderSeed;

void check_all_isas(const Problem& p) {
  const Result exact =
      run(p, reference::segment_attention_forward, reference::segment_attention_backward);
  const Result peer = explicit_attention(p);
  for (const IsaKernels& isa : supported_isas()) {
    SCOPED_TRACE(isa.name);
    expect_close(p, run(p, isa.forward, isa.backward), exact, peer);
  }
}

class SegmentAttention : public ::testing::TestWithParam<Rung> {};

TEST_P(SegmentAttention, ShortLayouts) { check_short_layouts(GetParam(), check_all_isas); }

TEST_P(SegmentAttention, LongLayouts) { check_long_layouts(GetParam(), check_all_isas); }

INSTANTIATE_TEST_SUITE_P(, SegmentAttention, rungs(), rung_name);

// Scores far apart and far from zero: no overflow, no NaN, and a probability that underflows is
// zero.
TEST(SegmentAttentionExtremes, LargeScores) {
  for (DType dtype : {DType::kFloat32, DType::kBfloat16}) {
    SCOPED_TRACE(name(dtype));
    Problem p = make_problem(dtype, 1, 32, {"some", {3, 12, 40, 100}}, variants()[0], kSeed);
    for (double& x : p.q) x = rounded(x * 60, dtype);
    check_all_isas(p);
  }
}

// The first key's score far below or above all others: softmax compares the others with it.
TEST(SegmentAttentionExtremes, FirstKeyUnlikeTheOthers) {
  for (DType dtype : {DType::kFloat32, DType::kBfloat16}) {
    for (double score : {-50., -7., 7., 50.}) {
      SCOPED_TRACE(::testing::Message() << name(dtype) << " score " << score);
      Problem p = make_problem(dtype, 1, 32, {"some", {3, 12, 40, 100}}, variants()[0], kSeed);
      for (size_t row = 0; row < static_cast<size_t>(p.q_rows); ++row)
        p.q[row * 32] = rounded(4, dtype);
      for (size_t u = 0; u + 1 < p.k_offsets.size(); ++u)
        p.k[static_cast<size_t>(p.k_offsets[u]) * 32] =
            rounded(score / (4 * static_cast<double>(p.scale)), dtype);
      check_all_isas(p);
    }
  }
}

TEST(SegmentAttentionExtremes, ScaleMayBeNegativeOrZero) {
  for (float scale : {-0.2f, 0.f}) {
    for (const bool lexical : {false, true}) {
      if (lexical && scale == 0) continue;
      SCOPED_TRACE(::testing::Message() << scale << (lexical ? " lexical" : ""));
      Problem p = make_problem(DType::kFloat32, 1, 32, {"some", {3, 12, 100}},
                               {.name = "scaled", .lexical = lexical}, kSeed);
      p.scale = scale;
      check_all_isas(p);
    }
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
  EXPECT_EQ(got.dlexical, exact.dlexical);
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
