// The forward pass of segment attention on the CPU, float and bfloat16, compiled once per
// instruction set (LAIT_ISA names it).
//
// A task is one unit and head: nothing is computed outside its (m, n) pairs, and its result depends
// on nothing else. The unit's keys and values are copied into blocks of kKeyBlock keys counted from
// the unit's start. Its queries are processed in blocks of at most kQueryBlock rows that keep their
// scores over all n keys, so no rescaling is needed. The rest is small products (simd_multiply.h):
//   S = Q Kt          P = softmax S          O = P V
// Every element is summed in the order of keys or dims, whatever the blocks of queries. Where
// bfloat16 is multiplied in pairs, P is rounded to it before its row is divided by its sum. Equals
// reference::segment_attention_forward.
#include "kernels/cpu/segment_attention_prefetch.h"
#include "kernels/cpu/segment_attention_softmax.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

constexpr int64_t kFewQueries = 4;  // see forward_few_queries

template <class T>
void write_none(const SegmentAttentionParams& p, int64_t row, int64_t head) {
  zero_row<T>(p.out, row, head, p.head_dim);
  if (p.lse) static_cast<float*>(p.lse)[head * p.num_q_rows + row] = -kInfinity;
}

// Writes the result of `rows` queries from `begin` on.
template <class T>
void write_rows(const SegmentAttentionParams& p, const Task& t, int64_t begin, int64_t rows,
                const float* out, const float* factor, const float* row_lse) {
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = t.q_begin + begin + i;
    store_row<T>(p.out, row, t.head, p.head_dim, out + i * p.head_dim, factor[i]);
    if (p.lse) static_cast<float*>(p.lse)[t.head * p.num_q_rows + row] = row_lse[i];
  }
}

// The workspace of a unit: `floats` and the tables of its keys and of the next unit's (of the last
// unit's, its own again).
template <class T, class Keys>
struct UnitMemory {
  int64_t next_unit;
  Pieces pieces;
  Keys keys, next_keys;
  UnitMemory(const SegmentAttentionParams& p, int64_t unit, int64_t floats)
      : next_unit(smaller(unit + 1, p.num_units - 1)),
        pieces(floats + Keys::table_floats(p, unit) + Keys::table_floats(p, next_unit)),
        keys(p, unit, pieces.take(Keys::table_floats(p, unit))),
        next_keys(p, next_unit, pieces.take(Keys::table_floats(p, next_unit))) {}
};

// The heads [first, last) of a unit, one after another.
template <class T, class Keys>
void forward_by_head(const SegmentAttentionParams& p, int64_t unit, int64_t first, int64_t last) {
  using O = OperandOf<T>;
  using Scalar = typename O::Scalar;
  const int64_t dim = p.head_dim;
  Task t = make_task(p, unit, first);
  Diagonals diagonals(p, t);
  UnitMemory<T, Keys> memory(
      p, unit, 2 * t.padded * dim + kQueryBlock * (2 * dim + t.row) + diagonals.size());
  Pieces& pieces = memory.pieces;
  Scalar* kt = pieces.take<O>(t.padded * dim);
  Scalar* v = pieces.take<O>(t.padded * dim);
  Scalar* q_copy = pieces.take<O>(kQueryBlock * dim);
  float* out = pieces.take(kQueryBlock * dim);
  float* scores = pieces.take(kQueryBlock * t.row);
  float* biases = pieces.take(diagonals.size());
  for (t.head = first; t.head < last; ++t.head) {
    if (memory.next_unit != unit) prefetch_next_unit<T>(p, t, memory.next_keys);
    if (diagonals.size() > 0) diagonals.fill(biases);
    load_transposed<O, T>(memory.keys.keys(t.head), t, dim, kt);
    load_down<O>(memory.keys.values(t.head), t.n, dim, v);
    for_each_query_block(t, [&](int64_t begin, int64_t rows) {
      alignas(64) float factor[kRowsPadded], row_lse[kRowsPadded];
      const auto q = load_left<O, T>(p.q, t.q_begin + begin, rows, t.head, dim, q_copy);
      multiply_keys<O>(t, rows, dim, q, kt, scores);
      prefetch_next_head<T>(p, t, memory.keys, begin, rows);
      const auto probabilities = softmax<O>(p, t, diagonals, begin, rows, scores, factor, row_lse);
      multiply_values<O>(t, rows, dim, probabilities, v, dim * O::kDepth, out);
      write_rows<T>(p, t, begin, rows, out, factor, row_lse);
    });
  }
}

// The same for a unit of at most kFewQueries queries, of which each key is used so few times that
// reading it is the cost: the heads go along with the keys, so that whole rows are read in order
// and nothing of the unit is copied but a block of one head. Each element is summed in the same
// order as above.
template <class T, class Keys>
void forward_few_queries(const SegmentAttentionParams& p, int64_t unit, int64_t first,
                         int64_t last) {
  using O = OperandOf<T>;
  using Scalar = typename O::Scalar;
  const int64_t dim = p.head_dim, heads = last - first;
  Task t = make_task(p, unit, first);
  Diagonals diagonals(p, t);
  UnitMemory<T, Keys> memory(p, unit,
                             kKeyBlock * dim + heads * t.m * (2 * dim + t.row + 2) + diagonals.size());
  Pieces& pieces = memory.pieces;
  Scalar* block = pieces.take<O>(kKeyBlock * dim);  // keys or values of one head
  Scalar* q_copies = pieces.take<O>(heads * t.m * dim);
  float* scores = pieces.take(heads * t.m * t.row);
  float* out = pieces.take(heads * t.m * dim);
  float* factors = pieces.take(heads * t.m);
  float* lse = pieces.take(heads * t.m);
  float* biases = pieces.take(diagonals.size());
  RowsAhead<T, Keys> ahead(p, memory.keys, t.n, memory.next_keys,
                           make_task(p, memory.next_unit, 0).n);
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
  for (int64_t j = 0; j < t.padded; j += kVector) {
    each_head([&](int64_t h) {
      ahead.fetch(share(kVector));
      const auto row_of = memory.keys.keys(t.head);
      transpose_keys<O, T>([&](int64_t i) { return row_of(j + i); }, t.n - j, kVector, dim, block);
      Left<O> q{q_copy(h), dim};
      if constexpr (O::kDepth > 1) q = load_left<O, T>(p.q, t.q_begin, t.m, t.head, dim, nullptr);
      multiply<false>(Product<O>{t.m, 1, dim / O::kDepth, q.data, q.row, O::kDepth, block,
                                 kVector * O::kDepth, scores + h * t.m * t.row + j, t.row});
    });
  }
  each_head([&](int64_t h) {
    alignas(64) float factor[kRowsPadded], row_lse[kRowsPadded];
    if (diagonals.size() > 0) diagonals.fill(biases);
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
      load_down<O>([&](int64_t i) { return row_of(j + i); }, keys, dim, block);
      const auto* probabilities = reinterpret_cast<const Scalar*>(scores + h * t.m * t.row);
      multiply_value_block<O>(t, j, t.m, dim, {probabilities, t.row * O::kDepth}, block,
                              dim * O::kDepth, out + h * t.m * dim);
    });
  }
  each_head([&](int64_t h) {
    write_rows<T>(p, t, 0, t.m, out + h * t.m * dim, factors + h * t.m, lse + h * t.m);
  });
}

template <class T, class Keys>
void forward_unit(const SegmentAttentionParams& p, int64_t unit, int64_t first, int64_t last) {
  const Task t = make_task(p, unit, first);
  if (t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) {
      for (int64_t h = first; h < last; ++h) write_none<T>(p, t.q_begin + i, h);
    }
  } else if (t.m > kFewQueries) {
    forward_by_head<T, Keys>(p, unit, first, last);
  } else if (t.m > 0) {
    forward_few_queries<T, Keys>(p, unit, first, last);
  }
}

template <class T>
void forward(const SegmentAttentionParams& p) {
  for_each_unit(p, [&](int64_t unit, int64_t first, int64_t last) {
    p.runs ? forward_unit<T, KeysInRuns<T>>(p, unit, first, last)
           : forward_unit<T, KeysInOrder<T>>(p, unit, first, last);
  });
  for_each_dead_row(p.q_offsets, p.num_units, p.num_q_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) write_none<T>(p, row, h);
  });
}

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  p.dtype == DType::kBfloat16 ? forward<Bf16>(p) : forward<float>(p);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
