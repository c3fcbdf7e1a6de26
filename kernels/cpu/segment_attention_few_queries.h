// The forward pass on the CPU for units of few queries: with one query for each unit, reading the
// keys and values is the cost. Internal to segment_attention_forward_isa.cpp.
//
// Here the heads go along with the keys, so that whole rows are read in the order in which they
// lie, and nothing of them is copied. Each element is summed in the order of the other way through
// a unit, so that a row's bits do not depend on the number of queries.
#pragma once
#include "kernels/cpu/segment_attention_unit.h"

namespace lait::kernels {
namespace {

constexpr int64_t kFewQueries = 4;

// body(std::integral_constant<int, rows>) for 1 to kFewQueries rows.
template <class Body>
void with_row_count(int64_t rows, const Body& body) {
  static_assert(kFewQueries == 4);
  switch (rows) {
    case 1:
      return body(std::integral_constant<int, 1>());
    case 2:
      return body(std::integral_constant<int, 2>());
    case 3:
      return body(std::integral_constant<int, 3>());
    default:
      return body(std::integral_constant<int, 4>());
  }
}

// The scores of one vector of keys, unscaled: row i of A times the keys, to c + i * c_row. Each is
// summed over dims in order, as multiply_keys does, without a copy of the keys.
template <class O, class T, int kRows, class RowOf>
[[gnu::noinline]] void multiply_vector_of_keys(RowOf row_of, int64_t keys, int64_t dim, Left<O> a,
                                               float* c, int64_t c_row) {
  Vec sum[kRows] = {};
  transpose_keys<T>(row_of, keys, dim, [&](int64_t d, VecUint bits) {
    O::template each_step_along<T>(bits, [&](typename O::Steps steps) {
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i)
        sum[i] = O::multiply_add(sum[i], O::repeat_step(a.data + i * a.row + d), steps);
      d += O::kDepth;
    });
  });
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) store(c + i * c_row, sum[i]);
}

// C (kRows, D) = A (kRows, keys) B, where B is the values of one block of keys, rows [0, keys) of
// one head; added to C unless it is the `first` block. Equals multiply_value_block.
template <class O, int kRows, class RowOf>
[[gnu::noinline]] void multiply_block_of_values(RowOf row_of, int64_t keys, int64_t dim, Left<O> a,
                                                bool first, float* c) {
  constexpr int kVectors = 2;
  static_assert(kHeadDims[0] % (kVectors * kVector) == 0);
  for (int64_t d = 0; d < dim; d += kVectors * kVector) {
    Vec sum[kRows][kVectors] = {};
    for (int64_t k = 0; k < keys; k += O::kDepth) {
      const auto* row = row_of(k) + d;
      const auto* second = O::kDepth > 1 && k + 1 < keys ? row_of(k + 1) + d : nullptr;
      typename O::Steps columns[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v)
        columns[v] = O::step_down(row + v * kVector, second ? second + v * kVector : nullptr);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        const auto x = O::repeat_step(a.data + i * a.row + k);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[i][v] = O::multiply_add(sum[i][v], x, columns[v]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        float* to = c + i * dim + d + v * kVector;
        store(to, first ? sum[i][v] : load(to) + sum[i][v]);
      }
    }
  }
}

// The heads [first, last) of a unit of at most kFewQueries queries, together.
template <class T>
void forward_few_queries(const SegmentAttentionParams& p, int64_t unit, int64_t first,
                         int64_t last) {
  using O = OperandOf<T>;
  using Scalar = typename O::Scalar;
  const int64_t dim = p.head_dim, heads = last - first;
  Task t = make_task(p, unit, first);
  Diagonals diagonals(p, t);
  Matches matches(p, t);
  UnitMemory<KeyTable<T>> memory(
      p, unit, heads * t.m * (2 * dim + t.row + 2) + diagonals.size() + matches.size());
  Pieces& pieces = memory.pieces;
  Scalar* q_copies = pieces.take<O>(heads * t.m * dim);
  float* scores = pieces.take(heads * t.m * t.row);
  float* out = pieces.take(heads * t.m * dim);
  float* factors = pieces.take(heads * t.m);
  float* lse = pieces.take(heads * t.m);
  float* biases = pieces.take(diagonals.size());
  matches.find(pieces.take(matches.size()));
  RowsAhead<T> ahead(p, memory.keys, t.n, memory.next_keys, make_task(p, memory.next_unit, 0).n);
  // body(head of the unit, its number here)
  auto each_head = [&](const auto& body) {
    for (t.head = first; t.head < last; ++t.head) body(t.head - first);
  };
  // Lines to fetch with `rows` rows of one head.
  auto share = [&](int64_t rows) { return (rows * ahead.lines_of_row() + heads - 1) / heads; };
  auto q_copy = [&](int64_t h) { return q_copies + h * t.m * dim; };
  if constexpr (O::kDepth == 1) {
    each_head([&](int64_t h) { load_left<O, T>(p.q, t.q_begin, t.m, t.head, dim, q_copy(h)); });
  }
  auto with_rows = [&](const auto& body) { with_row_count(t.m, body); };
  for (int64_t j = 0; j < t.padded; j += kVector) {
    each_head([&](int64_t h) {
      ahead.fetch(share(kVector));
      const auto row_of = memory.keys.keys(t.head);
      Left<O> q{q_copy(h), dim};
      if constexpr (O::kDepth > 1) q = load_left<O, T>(p.q, t.q_begin, t.m, t.head, dim, nullptr);
      with_rows([&](auto rows) {
        multiply_vector_of_keys<O, T, decltype(rows)::value>(row_of.from(j), t.n - j, dim, q,
                                                             scores + h * t.m * t.row + j, t.row);
      });
    });
  }
  each_head([&](int64_t h) {
    alignas(64) float factor[kRowsPadded], row_lse[kRowsPadded];
    if (diagonals.size() > 0) diagonals.fill(biases);
    matches.add_to(0, t.m, scores + h * t.m * t.row);
    softmax<O>(p, t, diagonals, 0, t.m, scores + h * t.m * t.row, factor, row_lse);
    for (int64_t i = 0; i < t.m; ++i) {
      factors[h * t.m + i] = factor[i];
      lse[h * t.m + i] = row_lse[i];
    }
  });
  for (int64_t j = 0; j < t.n; j += kKeyBlock) {
    const int64_t keys = smaller(kKeyBlock, t.n - j);
    each_head([&](int64_t h) {
      ahead.fetch(share(keys));
      const auto row_of = memory.keys.values(t.head);
      const auto* p_rows = reinterpret_cast<const Scalar*>(scores + h * t.m * t.row);
      with_rows([&](auto rows) {
        multiply_block_of_values<O, decltype(rows)::value>(row_of.from(j), keys, dim,
                                                           {p_rows + j, t.row * O::kDepth},
                                                           /*first=*/j == 0, out + h * t.m * dim);
      });
    });
  }
  each_head([&](int64_t h) {
    write_rows<T>(p, t, 0, t.m, out + h * t.m * dim, factors + h * t.m, lse + h * t.m);
  });
}

}  // namespace
}  // namespace lait::kernels
