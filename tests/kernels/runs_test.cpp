// Keys in runs: the same bits as with the rows one after another, for every instruction set,
// whatever the cutting; and the parameters that are refused.
#include <gtest/gtest.h>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/isa_table.h"
#include "tests/kernels/runs_case.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = 15485863;

// The variants but for q, k and v in one tensor, which keys in runs are not.
std::vector<Variant> run_variants() {
  auto all = variants();
  std::erase_if(all, [](const Variant& v) { return v.fused; });
  return all;
}

class KeysInRuns : public ::testing::TestWithParam<DType> {};

TEST_P(KeysInRuns, CuttingsChangeNoBit) {
  std::vector<std::pair<std::string, Forward>> all = {
      {"reference", reference::segment_attention_forward}};
  for (const IsaKernels& isa : supported_isas()) all.emplace_back(isa.name, isa.forward);
  for (const auto& [isa, forward] : all) {
    for (const Variant& variant : run_variants()) {
      for (const int longest : {1, 2, 20, 300}) {
        const uint64_t seed = kSeed + static_cast<uint64_t>(longest);
        SCOPED_TRACE(::testing::Message()
                     << isa << ' ' << variant.name << " longest " << longest << " seed " << seed);
        const Problem p = make_problem(GetParam(), 3, 32, {"mixed", {1, 7, 150, 0, 33, 2, 64, 20}},
                                       variant, seed);
        expect_runs_change_no_bit(p, seed, {.longest = longest}, forward);
      }
    }
  }
}

TEST_P(KeysInRuns, RandomUnitsAndCuttingsChangeNoBit) {
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 30; ++round) {
    const uint64_t seed = random();
    Layout layout{"random", {}};
    for (int u = 0; u < 6; ++u) layout.lengths.push_back(static_cast<int>(random() % 70));
    const auto all = run_variants();
    const Variant& variant = all[random() % all.size()];
    const int64_t dim = kHeadDims[random() % std::size(kHeadDims)];
    const Problem p = make_problem(GetParam(), 2, dim, layout, variant, seed);
    for (const IsaKernels& isa : supported_isas()) {
      SCOPED_TRACE(::testing::Message()
                   << isa.name << ' ' << variant.name << " D " << dim << " seed " << seed);
      expect_runs_change_no_bit(p, seed, {.sources = 1 + round % 5, .longest = 1 + round * 2},
                                isa.forward);
    }
  }
}

// Units that share a run and have another of their own, as a claim and its passages.
TEST_P(KeysInRuns, UnitsMayShareRuns) {
  constexpr int kClaim = 12, kUnits = 9;
  Layout layout{"shared", {}};
  for (int u = 0; u < kUnits; ++u) layout.lengths.push_back(kClaim + 10 * u);
  Problem p = make_problem(GetParam(), 2, 64, layout,
                           {.name = "first row", .dropout = 0.2f, .first_row_only = true}, kSeed,
                           /*dead=*/0);
  const int64_t width = p.heads * p.dim;
  for (int u = 1; u < kUnits; ++u) {  // every unit begins with the rows of the first one
    for (auto* values : {&p.k, &p.v})
      std::copy_n(values->begin(), kClaim * width, values->begin() + p.k_offsets[u] * width);
  }
  std::vector<KeyRun> runs;
  std::vector<int32_t> offsets = {0};
  for (int u = 0; u < kUnits; ++u) {
    runs.push_back({0, 0, kClaim});
    runs.push_back({1, (p.k_offsets[u] + kClaim) * width, 10 * u});
    offsets.push_back(static_cast<int32_t>(runs.size()));
  }
  for (const IsaKernels& isa : supported_isas()) {
    SCOPED_TRACE(isa.name);
    Call in_order(p), in_runs(p);
    SegmentAttentionParams& f = in_runs.grad.forward;
    const KeySource all{f.k.data, f.v.data, width}, sources[] = {all, all};
    f.runs = runs.data();
    f.run_offsets = offsets.data();
    f.num_runs = static_cast<int64_t>(runs.size());
    f.sources = sources;
    f.num_sources = 2;
    isa.forward(in_order.grad.forward);
    isa.forward(f);
    EXPECT_EQ(in_runs.result().out, in_order.result().out);
    EXPECT_EQ(in_runs.result().lse, in_order.result().lse);
  }
}

INSTANTIATE_TEST_SUITE_P(, KeysInRuns, ::testing::Values(DType::kFloat32, DType::kBfloat16),
                         [](const auto& i) { return std::string(name(i.param)); });

// The message for runs that are refused, by the CPU's kernels and by the reference.
template <class Change>
std::string error_of(const Change& change, bool backward = false) {
  const Problem p = make_problem(DType::kFloat32, 2, 32, {"some", {3, 4}}, variants()[0], kSeed, 0);
  constexpr KeyRun kRuns[] = {{0, 0, 2}, {1, 64, 1}, {0, 128, 4}};
  constexpr int32_t kOffsets[] = {0, 2, 3};
  std::string texts[2];
  for (int i = 0; i < 2; ++i) {
    Call call(p);
    SegmentAttentionParams& f = call.grad.forward;
    std::vector<KeyRun> runs(std::begin(kRuns), std::end(kRuns));
    std::vector<int32_t> offsets(std::begin(kOffsets), std::end(kOffsets));
    std::vector<KeySource> sources(2, KeySource{f.k.data, f.v.data, 64});
    f.runs = runs.data();
    f.run_offsets = offsets.data();
    f.num_runs = 3;
    f.sources = sources.data();
    f.num_sources = 2;
    change(f, runs, offsets, sources);
    try {
      if (backward) {
        (i == 0 ? cpu::segment_attention_backward
                : reference::segment_attention_backward)(call.grad);
      } else {
        (i == 0 ? cpu::segment_attention_forward : reference::segment_attention_forward)(f);
      }
    } catch (const std::invalid_argument& e) {
      texts[i] = e.what();
    }
  }
  EXPECT_EQ(texts[0], texts[1]);
  return texts[0];
}

TEST(RunChecks, NameWhatIsWrong) {
  const std::string op = "segment_attention: ";
  EXPECT_EQ(error_of([](auto&...) {}), "");
  EXPECT_EQ(error_of([](auto& f, auto&...) { f.sources = nullptr; }),
            op + "keys in runs need sources, got 2 at a null address");
  EXPECT_EQ(error_of([](auto& f, auto&...) { f.num_sources = 0; }),
            op + "keys in runs need sources, got 0");
  EXPECT_EQ(error_of([](auto&, auto&, auto&, auto& sources) { sources[1].v = nullptr; }),
            op + "sources must not be null, got null at [1]");
  EXPECT_EQ(error_of([](auto&, auto& runs, auto&...) { runs[1].source = 2; }),
            op + "a run's source must be in [0, 2), got 2 at run [1]");
  EXPECT_EQ(error_of([](auto&, auto& runs, auto&...) { runs[1].source = -1; }),
            op + "a run's source must be in [0, 2), got -1 at run [1]");
  EXPECT_EQ(error_of([](auto&, auto& runs, auto&...) { runs[2].length = -1; }),
            op + "a run's offset and length must not be negative, got 128 and -1 at run [2]");
  EXPECT_EQ(error_of([](auto&, auto& runs, auto&...) { runs[2].offset = -64; }),
            op + "a run's offset and length must not be negative, got -64 and 4 at run [2]");
  EXPECT_EQ(error_of([](auto&, auto& runs, auto&...) { runs[0].length = 3; }),
            op + "the runs of unit 0 have 4 keys, k_offsets say 3");
  EXPECT_EQ(error_of([](auto& f, auto&...) { f.run_offsets = nullptr; }),
            op + "run_offsets must not be null");
  EXPECT_EQ(error_of([](auto&, auto&, auto& offsets, auto&) { offsets[2] = 4; }),
            op + "run_offsets must be non-decreasing within [0, 3], got 4 after 2 at [2]");
}

TEST(RunChecks, BackwardRefusesRuns) {
  EXPECT_EQ(error_of([](auto&...) {}, /*backward=*/true),
            "segment_attention: backward needs keys one after another, got keys in runs");
}

}  // namespace
}  // namespace lait::kernels::testing
