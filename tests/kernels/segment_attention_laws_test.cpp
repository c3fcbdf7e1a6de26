// The laws of segment_attention.h, bit by bit: a unit's result depends neither on where it lies,
// nor on its neighbours, nor on the threads; a query's result does not depend on which other
// queries are computed.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/isa_table.h"
#include "tests/kernels/reordered.h"

namespace lait::kernels::testing {
namespace {

constexpr uint64_t kSeed = 104729;

// Runs the range in kParts parts, each on its own thread, the last one first.
template <int kParts>
void split(int64_t begin, int64_t end, int64_t, ParallelBody* body, void* context) {
  std::vector<std::thread> threads;
  for (int part = kParts - 1; part >= 0; --part) {
    const int64_t from = begin + (end - begin) * part / kParts,
                  to = begin + (end - begin) * (part + 1) / kParts;
    if (from < to) threads.emplace_back([=] { body(context, from, to); });
  }
  for (auto& thread : threads) thread.join();
}

class SegmentAttentionLaws : public ::testing::TestWithParam<DType> {};

TEST_P(SegmentAttentionLaws, PlaceAndNeighboursChangeNoBit) {
  for (const IsaKernels& isa : supported_isas()) {
    for (const Variant& variant : variants()) {
      for (uint64_t seed = kSeed; seed < kSeed + 3; ++seed) {
        SCOPED_TRACE(::testing::Message() << isa.name << ' ' << variant.name << " seed " << seed);
        const Problem p = make_problem(GetParam(), 2, 32, {"mixed", {1, 7, 150, 0, 33, 2, 64, 20}},
                                       variant, seed);
        expect_place_changes_no_bit(p, seed, isa.forward, isa.backward);
      }
    }
  }
}

TEST_P(SegmentAttentionLaws, ThreadsChangeNoBit) {
  for (const IsaKernels& isa : supported_isas()) {
    for (const Variant& variant : variants()) {
      SCOPED_TRACE(::testing::Message() << isa.name << ' ' << variant.name << " seed " << kSeed);
      const Problem p = make_problem(GetParam(), 3, 32, long_layouts().back(), variant, kSeed);
      const Result serial = run(p, isa.forward, isa.backward);
      for (ParallelFor loop : {&split<1>, &split<2>, &split<3>, &split<7>}) {
        const Result threaded = run(p, isa.forward, isa.backward, loop);
        EXPECT_EQ(threaded.out, serial.out);
        EXPECT_EQ(threaded.lse, serial.lse);
        EXPECT_EQ(threaded.dq, serial.dq);
        EXPECT_EQ(threaded.dk, serial.dk);
        EXPECT_EQ(threaded.dv, serial.dv);
        EXPECT_EQ(threaded.dbias, serial.dbias);
        EXPECT_EQ(threaded.dlexical, serial.dlexical);
      }
    }
  }
}

// `all` with at most `rows` queries of each unit, the first ones.
Problem first_rows(const Problem& all, int rows) {
  Problem first = all;
  const int64_t width = all.heads * all.dim;
  first.q.clear();
  first.q_offsets = {0};
  first.q_positions.clear();
  first.q_words.clear();
  for (size_t u = 0; u < all.unit_ids.size(); ++u) {
    const int begin = all.q_offsets[u], m = std::min(rows, all.q_offsets[u + 1] - begin);
    first.q.insert(first.q.end(), all.q.begin() + begin * width,
                   all.q.begin() + (begin + m) * width);
    if (!all.q_words.empty())
      first.q_words.insert(first.q_words.end(), all.q_words.begin() + begin,
                           all.q_words.begin() + begin + m);
    first.q_offsets.push_back(first.q_offsets.back() + m);
    for (int i = 0; i < m; ++i) first.q_positions.push_back(i);
  }
  first.q_rows = first.q_offsets.back();
  first.dout = first.q;
  return first;
}

// Computing only the first rows of each unit gives the same bits there as computing all rows,
// although few rows are computed another way.
TEST_P(SegmentAttentionLaws, RowsReadChangeNoBit) {
  const Variant cases[] = {{.name = "plain"},
                           {.name = "bias", .bias = true},
                           {.name = "lexical", .lexical = true},
                           {.name = "all", .bias = true, .dropout = 0.2f, .lexical = true},
                           {.name = "causal", .causal = true}};
  for (const IsaKernels& isa : supported_isas()) {
    for (const Variant& variant : cases) {
      for (const int64_t dim : kHeadDims) {
        const Problem all = make_problem(GetParam(), 2, dim,
                                         {"mixed", {1, 7, 150, 0, 33, 2, 64, 20}}, variant, kSeed);
        Call every(all);
        isa.forward(every.grad.forward);
        const Result a = every.result();
        for (int rows = 1; rows <= 5; ++rows) {
          SCOPED_TRACE(::testing::Message() << isa.name << ' ' << variant.name << " D " << dim
                                            << " rows " << rows << " seed " << kSeed);
          const Problem first = first_rows(all, rows);
          Call few(first);
          isa.forward(few.grad.forward);
          const Result f = few.result();
          auto expect_equal = [&](const std::vector<double>& x, int64_t from_x,
                                  const std::vector<double>& y, int64_t from_y, int64_t size) {
            EXPECT_TRUE(
                std::equal(x.begin() + from_x, x.begin() + from_x + size, y.begin() + from_y));
          };
          for (size_t u = 0; u < all.unit_ids.size(); ++u) {
            const int64_t begin = first.q_offsets[u], m = first.q_offsets[u + 1] - begin;
            const int64_t width = all.heads * all.dim;
            expect_equal(f.out, begin * width, a.out, all.q_offsets[u] * width, m * width);
            for (int64_t h = 0; h < all.heads; ++h)
              expect_equal(f.lse, h * first.q_rows + begin, a.lse,
                           h * all.q_rows + all.q_offsets[u], m);
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, SegmentAttentionLaws,
                         ::testing::Values(DType::kFloat32, DType::kBfloat16),
                         [](const auto& i) { return std::string(name(i.param)); });

}  // namespace
}  // namespace lait::kernels::testing
