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
#include "kernels/cpu/segment_attention_few_queries.h"

namespace lait::kernels::cpu::LAIT_ISA {
namespace {

// The heads [first, last) of a unit, one after another.
template <class T, class Keys>
void forward_by_head(const SegmentAttentionParams& p, int64_t unit, int64_t first, int64_t last) {
  using O = OperandOf<T>;
  using Scalar = typename O::Scalar;
  const int64_t dim = p.head_dim;
  Task t = make_task(p, unit, first);
  Diagonals diagonals(p, t);
  Matches matches(p, t);
  UnitMemory<Keys> memory(
      p, unit,
      2 * t.padded * dim + kQueryBlock * (2 * dim + t.row) + diagonals.size() + matches.size());
  Pieces& pieces = memory.pieces;
  Scalar* kt = pieces.take<O>(t.padded * dim);
  Scalar* v = pieces.take<O>(t.padded * dim);
  Scalar* q_copy = pieces.take<O>(kQueryBlock * dim);
  float* out = pieces.take(kQueryBlock * dim);
  float* scores = pieces.take(kQueryBlock * t.row);
  float* biases = pieces.take(diagonals.size());
  matches.find(pieces.take(matches.size()));
  for (t.head = first; t.head < last; ++t.head) {
    if (memory.next_unit != unit) prefetch_next_unit<T>(p, t, memory.next_keys);
    if (diagonals.size() > 0) diagonals.fill(biases);
    load_transposed<O, T>(memory.keys.keys(t.head), t, dim, kt);
    load_down<O>(memory.keys.values(t.head), t.n, dim, v);
    for_each_query_block(t, [&](int64_t begin, int64_t rows) {
      alignas(64) float factor[kRowsPadded], row_lse[kRowsPadded];
      const auto q = load_left<O, T>(p.q, t.q_begin + begin, rows, t.head, dim, q_copy);
      multiply_keys<O>(t, rows, dim, q, kt, scores);
      matches.add_to(begin, rows, scores);
      prefetch_next_head<T>(p, t, memory.keys, begin, rows);
      const auto probabilities = softmax<O>(p, t, diagonals, begin, rows, scores, factor, row_lse);
      multiply_values<O>(t, rows, dim, probabilities, v, dim * O::kDepth, out);
      write_rows<T>(p, t, begin, rows, out, factor, row_lse);
    });
  }
}

template <class T>
void forward_unit(const SegmentAttentionParams& p, int64_t unit, int64_t first, int64_t last) {
  const Task t = make_task(p, unit, first);
  if (t.n == 0) {
    for (int64_t i = 0; i < t.m; ++i) {
      for (int64_t h = first; h < last; ++h) write_none<T>(p, t.q_begin + i, h);
    }
  } else if (t.m > kFewQueries) {
    p.runs ? forward_by_head<T, KeyTable<T>>(p, unit, first, last)
           : forward_by_head<T, KeysInOrder<T>>(p, unit, first, last);
  } else if (t.m > 0) {
    forward_few_queries<T>(p, unit, first, last);
  }
}

template <class T>
void forward(const SegmentAttentionParams& p) {
  for_each_unit(
      p, [&](int64_t unit, int64_t first, int64_t last) { forward_unit<T>(p, unit, first, last); });
  for_each_dead_row(p.q_offsets, p.num_units, p.num_q_rows, [&](int64_t row) {
    for (int64_t h = 0; h < p.num_heads; ++h) write_none<T>(p, row, h);
  });
}

}  // namespace

void segment_attention_forward(const SegmentAttentionParams& p) {
  p.dtype == DType::kBfloat16 ? forward<Bf16>(p) : forward<float>(p);
}

}  // namespace lait::kernels::cpu::LAIT_ISA
