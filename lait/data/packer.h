// What the parts of packing share: functions that append to a batch's one array, and the batch
// under construction.
#pragma once
#include <vector>

#include "lait/data/packing.h"

namespace lait {

Slice put(PackedBatch& batch, const std::vector<int32_t>& values);
// `cuda_head_dim` as in PackPlan.
Work put_work(PackedBatch& batch, const std::vector<int32_t>& q_offsets,
              const std::vector<int32_t>& k_offsets, int64_t cuda_head_dim);

// The part of a level that only packing needs. Units are numbered in row order.
struct Units {
  std::vector<int32_t> row_begin{0};      // (G + 1)
  std::vector<int32_t> segment_begin{0};  // (G + 1) ordinals of each unit's segments
  std::vector<int32_t> segment_rows{0};   // (segments + 1) rows where each segment begins
  std::vector<int32_t> ids;               // (G) dropout keys
  // Level 0, by segment: the length of one that is stored, and so has no rows; -1 of others.
  std::vector<int32_t> stored_lengths;
  // With PackPlan::words: the rows' tokens; and those of each segment that is stored, in order.
  std::vector<int32_t> tokens;
  std::vector<std::span<const int32_t>> stored_tokens;
  std::vector<std::vector<int32_t>> of_example;  // (B) the units of each example, in order

  int32_t size() const { return static_cast<int32_t>(ids.size()); }
  int32_t rows() const { return row_begin.back(); }
  int64_t num_segments() const { return static_cast<int64_t>(segment_rows.size()) - 1; }
};

struct PackState {
  std::span<const PackExample> examples;
  const PackPlan& plan;
  const SegmentLayout& layout;
  PackedBatch batch;
  std::vector<Units> units;  // by level
  // Of the last join: rows of the level before.
  std::vector<int32_t> join_index;
  // Sequences that are stored, in order.
  std::vector<int32_t> stored;
  // Of the last level: where each unit's keys begin, if these are not its rows.
  std::vector<int32_t> k_offsets;

  Slice put(const std::vector<int32_t>& values) { return lait::put(batch, values); }
  Work put_work(const std::vector<int32_t>& q_offsets, const std::vector<int32_t>& k_offsets) {
    return lait::put_work(batch, q_offsets, k_offsets, plan.cuda_head_dim);
  }
  // The word of a row in a unit's segment of that number.
  int32_t word(int32_t token, int32_t segment) const;
  // The words of a level's rows, without dead ones.
  std::vector<int32_t> words_of(const Units& units) const;
  // `index` lists the live rows; dead rows up to `num_rows` read row 0.
  Gather put_gather(std::vector<int32_t> index, int64_t num_rows, int64_t num_source_rows);
};

// Calls body(segment of the example, ordinal among the level's segments) in order.
template <class Body>
void for_each_segment(const Units& units, const std::vector<int32_t>& of_example,
                      const Body& body) {
  int32_t segment = 0;
  for (int32_t u : of_example) {
    for (int32_t s = units.segment_begin[u]; s < units.segment_begin[u + 1]; ++s)
      body(segment++, s);
  }
}

// Appends the units of a one-sided stage's level, and fills its from_previous and kept.
void join_first_segments(PackState& state, size_t level);

// Fills batch.read_rows and batch.head from the plan's Reads. REQUIRES: steps and levels are
// filled.
void pack_reads(PackState& state);

}  // namespace lait
