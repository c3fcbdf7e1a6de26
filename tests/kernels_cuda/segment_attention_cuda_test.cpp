// The CUDA kernels against the reference over dtypes, head dims, layouts and variants, forward and
// backward.
#include <gtest/gtest.h>

#include "tests/kernels/attention_ladder.h"
#include "tests/kernels/dropout_mask.h"
#include "tests/kernels/expect_close.h"
#include "tests/kernels/explicit_attention.h"
#include "tests/kernels/reordered.h"
#include "tests/kernels/runs_case.h"
#include "tests/kernels_cuda/device_run.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = kLadderSeed;

void check_cuda(const Problem& p) {
  const Result exact =
      run(p, reference::segment_attention_forward, reference::segment_attention_backward);
  expect_close(p, run(p, cuda_forward, cuda_backward), exact,
               explicit_attention(p, /*delta_from_out=*/true),
               /*delta_from_out=*/true);
}

class SegmentAttentionCuda : public NeedsDevice, public ::testing::WithParamInterface<Rung> {};

TEST_P(SegmentAttentionCuda, ShortLayouts) { check_short_layouts(GetParam(), check_cuda); }

TEST_P(SegmentAttentionCuda, LongLayouts) { check_long_layouts(GetParam(), check_cuda); }

INSTANTIATE_TEST_SUITE_P(, SegmentAttentionCuda, rungs(), rung_name);

class SegmentAttentionCudaLaws : public NeedsDevice {};

TEST_F(SegmentAttentionCudaLaws, PlaceAndNeighboursChangeNoBit) {
  for (const DType dtype : {DType::kFloat32, DType::kBfloat16}) {
    for (const Variant& variant : variants()) {
      SCOPED_TRACE(::testing::Message() << name(dtype) << ' ' << variant.name << " seed " << kSeed);
      expect_place_changes_no_bit(
          make_problem(dtype, 2, 32, {"mixed", {1, 7, 150, 0, 33, 2, 64, 20}}, variant, kSeed),
          kSeed, cuda_forward, cuda_backward);
    }
  }
}

TEST_F(SegmentAttentionCudaLaws, DropoutMaskIsThatOfPhilox) {
  expect_philox_mask(cuda_forward, cuda_backward);
}

// A NaN or infinity does not spread to neighbours: other units' rows are never multiplied, not even
// by zero.
TEST_F(SegmentAttentionCudaLaws, NeighboursMayBeNan) {
  for (const DType dtype : {DType::kFloat32, DType::kBfloat16}) {
    Problem p = make_problem(dtype, 1, 32, {"three", {5, 20, 9}}, variants()[0], kSeed);
    const Result clean = run(p, cuda_forward, cuda_backward);
    for (int64_t i = p.k_offsets[1] * 32; i < p.k_offsets[2] * 32; ++i) {
      p.k[static_cast<size_t>(i)] = p.v[static_cast<size_t>(i)] =
          std::numeric_limits<double>::quiet_NaN();
    }
    const Result other = run(p, cuda_forward, cuda_backward);
    for (const int unit : {0, 2}) {
      for (int64_t i = p.q_offsets[unit] * 32; i < p.q_offsets[unit + 1] * 32; ++i) {
        EXPECT_EQ(other.out[static_cast<size_t>(i)], clean.out[static_cast<size_t>(i)]);
        EXPECT_EQ(other.dk[static_cast<size_t>(i)], clean.dk[static_cast<size_t>(i)]);
      }
    }
  }
}

TEST_F(SegmentAttentionCudaLaws, LseMayBeLeftOutInInference) {
  const Problem p =
      make_problem(DType::kBfloat16, 2, 64, {"some", {3, 0, 90}}, variants()[0], kSeed);
  Call with(p), without(p);
  without.grad.forward.lse = nullptr;
  cuda_forward(with.grad.forward);
  cuda_forward(without.grad.forward);
  EXPECT_EQ(with.result().out, without.result().out);
}

// Each dtype, with and without what makes the kernel general; units of one warp, of several, and
// streamed ones. Runs begin at multiples of 16 bytes.
TEST_F(SegmentAttentionCudaLaws, KeysInRunsChangeNoBit) {
  for (const DType dtype : {DType::kFloat32, DType::kBfloat16}) {
    for (const Variant& variant : variants()) {
      if (variant.fused) continue;
      for (const int longest : {2, 60}) {
        SCOPED_TRACE(::testing::Message() << name(dtype) << ' ' << variant.name << " longest "
                                          << longest << " seed " << kSeed);
        const Problem p = make_problem(dtype, 2, longest == 2 ? 64 : 32,
                                       {"mixed", {1, 7, 150, 0, 33, 2, 64, 20}}, variant, kSeed);
        expect_runs_change_no_bit(p, kSeed, {.sources = 3, .longest = longest, .alignment = 8},
                                  cuda_forward);
      }
    }
  }
}

// The message for parameters that are refused before anything is launched.
template <class Change>
std::string error_of(const Change& change) {
  const Problem p = make_problem(DType::kFloat32, 2, 32, {"some", {3, 4}},
                                 {.name = "all", .bias = true, .dropout = 0.1f}, 1);
  Call call(p);
  change(call.grad);
  try {
    cuda::segment_attention_backward(call.grad);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(SegmentAttentionCudaLaws, RefusesRunsThatItCannotTake) {
  const Problem p = make_problem(DType::kFloat32, 2, 32, {"some", {3, 4}}, variants()[0], 1);
  auto text = [&](const auto& change) -> std::string {
    Call call(p);
    SegmentAttentionParams& f = call.grad.forward;
    Runs runs(p, kSeed, {.sources = 2, .alignment = 4});
    runs.put(f);
    std::vector<KeySource> sources(f.sources, f.sources + f.num_sources);
    f.sources = sources.data();
    change(call.grad, sources);
    try {
      cuda::segment_attention_forward(f);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(text([](auto& g, auto& sources) {
              sources.resize(9, sources[0]);
              g.forward.sources = sources.data();
              g.forward.num_sources = 9;
            }),
            "segment_attention: keys in runs on CUDA have at most 8 sources, got 9");
  EXPECT_EQ(text([](auto&, auto& sources) { sources[1].row_stride = 129; }),
            "segment_attention: a source's keys must have rows and heads that begin at multiples "
            "of 16 bytes");
  EXPECT_EQ(text([](auto&, auto& sources) { sources[1].k = nullptr; }),
            "segment_attention: sources must not be null, got null at [1]");
  EXPECT_EQ(error_of([](auto& g) {
              static constexpr KeyRun kRun{};
              g.forward.runs = &kRun;
            }),
            "segment_attention: backward needs keys one after another, got keys in runs");
}

TEST_F(SegmentAttentionCudaLaws, RefusesWhatItCannotDo) {
  EXPECT_EQ(error_of([](auto& g) { g.forward.head_dim = 80; }),
            "segment_attention: head_dim must be one of {32, 64, 128}, got 80");
  EXPECT_EQ(error_of([](auto& g) { g.forward.dtype = DType::kFloat64; }),
            "segment_attention: on CUDA takes float and bfloat16, got double");
  EXPECT_EQ(error_of([](auto& g) { g.forward.k.row_stride = 66; }),
            "segment_attention: k must have rows and heads that begin at multiples of 16 bytes");
  EXPECT_EQ(error_of([](auto& g) { g.forward.bias.max_distance = 2000; }),
            "segment_attention: bias.max_distance on CUDA is at most 1024, got 2000");
  EXPECT_EQ(error_of([](auto& g) { g.forward.unit_ids = nullptr; }),
            "segment_attention: dropout needs unit_ids, got null");
  EXPECT_EQ(error_of([](auto& g) { g.forward.lse = nullptr; }),
            "segment_attention: backward needs lse, got null");
  EXPECT_EQ(error_of([](auto&) {}),
            "segment_attention: backward on CUDA needs a workspace, got null");
}

}  // namespace
}  // namespace lait::kernels::testing
