// What the two ways through a unit in the forward pass on the CPU share: the workspace, and how
// results are written. Internal to segment_attention_forward_isa.cpp.
#pragma once
#include "kernels/cpu/segment_attention_matches.h"
#include "kernels/cpu/segment_attention_prefetch.h"
#include "kernels/cpu/segment_attention_softmax.h"

namespace lait::kernels {
namespace {

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
template <class Keys>
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

}  // namespace
}  // namespace lait::kernels
