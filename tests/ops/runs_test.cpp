// lait::segment_attention_runs against segment_attention of the gathered rows, and its errors.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/ops/ops.h"

namespace lait {
namespace {

using at::Tensor;
using testing::HasSubstr;

constexpr int64_t kHeads = 3, kDim = 32, kWidth = kHeads * kDim;

Tensor ints(const std::vector<int32_t>& values) { return at::tensor(values, at::kInt); }

// Four units of one query: a claim's keys and those of a passage. The claim is a tensor of its own;
// the passages lie in two files, as records of three layers that begin at multiples of 64 bytes.
struct RunsCase : testing::Test {
  static constexpr int64_t kClaim = 5, kLayers = 3;

  void make(at::ScalarType dtype) {
    at::manual_seed(7);
    const int64_t element = dtype == at::kFloat ? 4 : 2, line = 64 / element;
    const std::vector<int64_t> passages = {9, 0, 40, 1};
    q = at::randn({4, kHeads, kDim}).to(dtype);
    const Tensor claim = at::randn({kClaim, 2, kHeads, kDim}).to(dtype);
    const Tensor files[2] = {at::randn({90 * kLayers * 2 * kWidth}).to(dtype),
                             at::randn({90 * kLayers * 2 * kWidth}).to(dtype)};
    keys.sources = {claim};
    // Layer 1 of a file, in elements of the file from its first record on.
    constexpr int64_t kRow = kLayers * 2 * kWidth;
    for (const Tensor& file : files)
      keys.sources.push_back(
          file.slice(0, 2 * kWidth).as_strided({89, 2, kHeads, kDim}, {kRow, kWidth, kDim, 1}));
    std::vector<int64_t> runs;
    std::vector<int32_t> run_offsets = {0}, k_offsets = {0};
    std::vector<Tensor> gathered;
    int64_t at[2] = {0, 3 * line};
    for (size_t u = 0; u < passages.size(); ++u) {
      const size_t f = u % 2;
      runs.insert(runs.end(), {0, 0, kClaim});
      runs.insert(runs.end(), {static_cast<int64_t>(f + 1), at[f], passages[u]});
      gathered.push_back(claim);
      gathered.push_back(files[f]
                             .slice(0, at[f], at[f] + passages[u] * kRow)
                             .view({passages[u], kLayers, 2, kHeads, kDim})
                             .select(1, 1));
      at[f] += passages[u] * kRow + 5 * line;
      run_offsets.push_back(static_cast<int32_t>(2 * u + 2));
      k_offsets.push_back(k_offsets.back() + static_cast<int32_t>(kClaim + passages[u]));
    }
    keys.runs = at::tensor(runs, at::kLong).view({-1, 3});
    keys.run_offsets = ints(run_offsets);
    all = at::cat(gathered);
    units = {ints({0, 1, 2, 3, 4}), ints(k_offsets), ints({0, 0, 0, 0}), ints({7, 8, 9, 1})};
    spec = {.heads = kHeads, .head_dim = kDim, .scale = 0.2};
  }
  std::string error() const {
    try {
      ops::segment_attention_runs(q, keys, units, spec, {});
    } catch (const c10::Error& error) {
      return error.what_without_backtrace();
    }
    return "";
  }

  Tensor q, all;
  ops::KeyRuns keys;
  ops::AttentionUnits units;
  ops::AttentionSpec spec;
};

TEST_F(RunsCase, EqualGatheredRows) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    make(dtype);
    for (const float p : {0.f, 0.3f}) {
      const kernels::Dropout dropout{p, 3, 4, 5, kernels::Site::kAttention};
      EXPECT_TRUE(at::equal(ops::segment_attention_runs(q, keys, units, spec, dropout),
                            ops::segment_attention_kvpacked(q, all, units, spec, dropout)))
          << dtype << " dropout " << p;
    }
    const at::ScalarType floats = dtype == at::kDouble ? at::kDouble : at::kFloat;
    spec.lexical_bias = at::randn({kHeads}).to(floats);
    units.q_words = at::randint(4, {4}, at::kInt);
    units.k_words = at::randint(4, {all.size(0)}, at::kInt);
    EXPECT_TRUE(at::equal(ops::segment_attention_runs(q, keys, units, spec, {}),
                          ops::segment_attention_kvpacked(q, all, units, spec, {})))
        << dtype << " lexical";
    spec.bias.table = at::randn({32, kHeads}).to(floats);
    spec.causal = true;
    units.q_positions = ints({3, 2, 20, 5});
    EXPECT_TRUE(at::equal(ops::segment_attention_runs(q, keys, units, spec, {}),
                          ops::segment_attention_kvpacked(q, all, units, spec, {})))
        << dtype;
  }
}

TEST_F(RunsCase, UnitsWithoutRuns) {
  make(at::kFloat);
  keys = {{}, at::empty({0, 3}, at::kLong), ints({0, 0, 0, 0, 0})};
  units.k_offsets = ints({0, 0, 0, 0, 0});
  EXPECT_TRUE(at::equal(ops::segment_attention_runs(q, keys, units, spec, {}), at::zeros_like(q)));
}

TEST_F(RunsCase, MetaGivesShapes) {
  make(at::kBFloat16);
  q = q.to(at::kMeta);
  for (Tensor& source : keys.sources) source = source.to(at::kMeta);
  keys.runs = keys.runs.to(at::kMeta);
  EXPECT_EQ(ops::segment_attention_runs(q, keys, units, spec, {}).sizes(), q.sizes());
}

TEST_F(RunsCase, RefusesGradients) {
  make(at::kFloat);
  const char* expected = "segment_attention_runs: has no gradient, but ";
  q.requires_grad_(true);
  EXPECT_THAT(error(), HasSubstr(expected));
  {
    const at::NoGradGuard none;
    EXPECT_EQ(error(), "");
  }
  q.requires_grad_(false);
  EXPECT_EQ(error(), "");
  keys.sources[0].requires_grad_(true);
  EXPECT_THAT(error(), HasSubstr(expected));
  keys.sources[0].requires_grad_(false);
  spec.bias.table = at::ones({32, kHeads}).requires_grad_(true);
  EXPECT_THAT(error(), HasSubstr(expected));
  spec.bias.table.requires_grad_(false);
  spec.lexical_bias = at::ones({kHeads}).requires_grad_(true);
  EXPECT_THAT(error(), HasSubstr(expected));
}

TEST_F(RunsCase, SaysWhatDoesNotFit) {
  make(at::kFloat);
  const ops::KeyRuns right = keys;
  const auto with = [&](const auto& change) {
    keys = right;
    change();
    return error();
  };
  const std::string source = "sources must be Float (rows, 2, 3, 32) on cpu, got ";
  EXPECT_THAT(with([&] { keys.sources[1] = keys.sources[1].to(at::kBFloat16); }),
              HasSubstr(source + "BFloat16 [89, 2, 3, 32] on cpu at [1]"));
  EXPECT_THAT(with([&] { keys.sources[2] = keys.sources[2].select(1, 0); }),
              HasSubstr(source + "Float [89, 3, 32] on cpu at [2]"));
  EXPECT_THAT(with([&] { keys.sources[0] = keys.sources[0].to(at::kMeta); }),
              HasSubstr(source + "Float [5, 2, 3, 32] on meta at [0]"));
  EXPECT_THAT(with([&] {
                keys.sources[0] = at::ones({5, 2, 32, 3}).transpose(2, 3);
              }),
              HasSubstr("sources must have a contiguous last dimension and one stride of heads"));
  EXPECT_THAT(with([&] {
                keys.sources[1] = at::ones({5, 2, 3, 64}).slice(3, 0, 32);
              }),
              HasSubstr("sources must have a contiguous last dimension and one stride of heads"));
  EXPECT_THAT(with([&] { keys.sources.clear(); }), HasSubstr("runs need sources, got none"));
  EXPECT_THAT(with([&] { keys.runs = keys.runs.to(at::kInt); }),
              HasSubstr("runs must be a contiguous (runs, 3) int64 on cpu, got Int [8, 3] on cpu"));
  EXPECT_THAT(with([&] {
                keys.run_offsets = ints({0, 2, 4});
              }),
              HasSubstr("run_offsets must have 5 elements, got 3"));
  keys = right;
  q = at::ones({4, 3, 64});
  EXPECT_THAT(error(), HasSubstr("segment_attention_runs: expected rows of 3 heads of 32, got "));
}

// On the CPU the kernel reads the runs, and refuses those that cannot be.
TEST_F(RunsCase, TheKernelChecksValues) {
  make(at::kFloat);
  keys.runs[3][0] = 3;
  EXPECT_THROW(
      {
        try {
          ops::segment_attention_runs(q, keys, units, spec, {});
        } catch (const std::invalid_argument& e) {
          EXPECT_STREQ(e.what(),
                       "segment_attention: a run's source must be in [0, 3), got 3 at run [3]");
          throw;
        }
      },
      std::invalid_argument);
}

}  // namespace
}  // namespace lait
