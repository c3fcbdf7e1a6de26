// Packing: the examples of a batch become packed rows and the offsets that say which rows see each other.
//
// A level is a scope that the schedule visits. Level 0 holds the distinct sequences of the batch (each once); a later
// level's units are concatenations of the level before's (groups of segments, examples of segments or groups), and
// `join` is the gather between the two. Every number of rows is rounded up to kRowMultiple; the rows behind the last
// unit are dead: they belong to no unit, see nothing, and get no gradient.
//
// All integers of a batch lie in one array, so that one copy brings them to the device; a Slice names a part of it.
// Offsets are right by construction here; operators check shapes and types only.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/row_multiple.h"
#include "lait/config/config.h"
#include "lait/data/dataset.h"

namespace lait {

using kernels::kRowMultiple;
constexpr int64_t round_rows(int64_t rows) {
  return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
}

struct Slice {
  int64_t begin = 0;
  int64_t size = 0;
};

// out[r] = in[index[r]]; the inverse lists, for each row of `in`, the live rows r that read it (for the gradient).
struct Gather {
  Slice index;            // (R), R rounded up; dead rows read row 0
  Slice inverse_offsets;  // (S + 1), S rows of `in`
  Slice inverse;          // (live rows)
};

// The work list of an attention on CUDA (kernels/work_list.h); empty where the plan asks for none.
struct Work {
  Slice tiles;
  std::vector<int64_t> blocks;  // (kernels::kWorkCounts)
};

struct Level {
  Scope scope = Scope::kSegment;
  int64_t num_units = 0;
  int64_t num_rows = 0;  // T, rounded up
  int64_t live_rows = 0;
  Slice offsets;   // (G + 1)
  Slice unit_ids;  // (G) dropout ids: the distinct sequence's, group's or example's in the data set
  Slice row_unit_ids;        // (T)
  Slice row_positions;       // (T) position in the unit
  int64_t num_segments = 0;  // segments of all units, in row order
  Slice segment_offsets;     // (num_segments + 1) rows where each segment begins
  Work work;                 // of the attention of all rows
  Gather from_previous;      // level 0: empty
};

// The rows that a head reads where it needs only the first row of each unit of the last level.
struct FirstRows {
  int64_t num_rows = 0;  // G of the last level, rounded up
  Gather gather;    // from the rows that enter the last layer (before its join, where it has one)
  Slice q_offsets;  // (G + 1): 0, 1, … G
  Slice row_unit_ids;   // (num_rows)
  Slice row_positions;  // (num_rows): 0
  Work work;            // of the attention of these rows to all rows of their units
};

// What pooling gathers, for B examples rounded up.
struct PoolIndices {
  Gather first_unit;      // (B) the unit of the last level with the example's first row
  Gather first_row;       // (B) that row itself, where all rows of the last level were computed
  Gather first_segment;   // (B) in the segments of the level whose means are read
  Gather other_segments;  // (all other segments of all examples), likewise
  Slice other_offsets;    // (B + 1) into other_segments
  Gather
      all_rows;  // rows of the examples, where mean pooling reads a last level that is not example scope
  Slice all_offsets;    // (B + 1)
  Slice row_unit_ids;   // (B) the example's dropout id
  Slice row_positions;  // (B) 0
};

// What of a model's configuration packing must know.
struct PackPlan {
  std::vector<Stage> stages;  // of the schedule
  SegmentFormat format = SegmentFormat::kStandalone;
  Pooling pooling = Pooling::kClsSegments;
  bool prune_rows =
      true;  // compute only the rows that the head reads in the last layer; false: all (tests)
  bool share_segments =
      true;  // encode a segment that several examples have once; false: for each (tests)
  int64_t cuda_head_dim = 0;  // D where the batch goes to CUDA: the work lists are made; 0: none

  bool reads_first_rows()
      const;  // the head reads only the first row of each unit of the last layer
  // Whether the segment means are of the final states: segments always; cls_segments where no layer stands before the first
  // example-scope stage (P = 0, the pair format), or there is no such stage (P = L). Else of the states that enter that stage.
  bool means_from_final() const;
  int mean_level()
      const;  // level whose segment means are read: the last one, or the one before the example's
  std::vector<Scope> levels() const;  // scopes of the levels, strictly widening
};

struct PackedBatch {
  std::vector<int32_t> ints;
  Slice token_ids;    // (T of level 0)
  Slice token_types;  // (T)
  Slice positions;    // (T)
  std::vector<Level> levels;
  FirstRows first_rows;  // where plan.reads_first_rows() and plan.prune_rows
  PoolIndices pool;
  int64_t num_examples = 0;    // B
  std::vector<double> labels;  // (B)
};

// The examples of `indices`, in that order, duplicates allowed.
PackedBatch pack(const Dataset& dataset, std::span<const int64_t> indices, const PackPlan& plan);

}  // namespace lait
