// Packing: the examples of a batch become packed rows, and offsets that say which rows see each
// other.
//
// A level is a scope that the schedule visits. Level 0 holds the distinct sequences of the batch,
// each once. The units of a later level are concatenations of the previous level's (groups of
// segments, examples of segments or groups), and `from_previous` is the gather between the two.
// The level of a one-sided stage has only the rows of its examples' first segments; the other rows
// keep their states (KeptRows). Every number of rows is rounded up to kRowMultiple. The rows after
// the last unit are dead: they belong to no unit, see nothing, and get no gradient.
//
// A batch carries the steps that it was packed for, so a model runs batches of any schedule. All
// integers of a batch lie in one array, so that one copy moves them to the device; a Slice names a
// part of it. Packing writes only valid offsets; operators check shapes and types only.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/row_multiple.h"
#include "lait/data/dataset.h"
#include "lait/schedule.h"

namespace lait {

using kernels::kRowMultiple;
constexpr int64_t round_rows(int64_t rows) {
  return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
}

struct Slice {
  int64_t begin = 0;
  int64_t size = 0;
};

// out[r] = in[index[r]]. The inverse lists, for each row of `in`, the live rows r that read it (for
// the gradient).
struct Gather {
  Slice index;            // (R), R rounded up; dead rows read row 0
  Slice inverse_offsets;  // (S + 1), S rows of `in`
  Slice inverse;          // (live rows)
};

// The work list of an attention on CUDA (kernels/work_list.h); empty if the plan asks for none.
struct Work {
  Slice tiles;
  std::vector<int64_t> blocks;  // (kernels::kWorkCounts)
};

// What a one-sided stage's level reads beside its own rows: the rows of the other segments. Their
// states stay those that entered the stage; each of its steps projects keys and values of them.
struct KeptRows {
  int64_t num_rows = 0;  // O, rounded up
  int64_t live_rows = 0;
  Gather rows;  // (O) from the previous level; each row once
  // (O) as the previous level calls them
  Slice row_unit_ids, row_positions;
  // The keys of the level's units, in the order of the example: rows of the previous level (in the
  // step that joins), or of this level with the kept rows behind them.
  Gather keys_at_join, keys;
  Slice k_offsets;  // (G + 1)
  // With PackPlan::key_runs instead of those gathers: (R, 3) {source, row, length} for each
  // segment. Source 0 is the previous level (in the step that joins) or this one, 1 the kept rows,
  // 2 + i the i-th of `stored`.
  Slice runs_at_join, runs;
  Slice run_offsets;  // (G + 1)
  // The words of the keys of all units, in the order of k_offsets (PackPlan::words).
  Slice k_words;
  // The sequences (PackSequence::id) whose keys and values are stored.
  std::vector<int32_t> stored;
};

struct Level {
  Scope scope = Scope::kSegment;
  int64_t num_units = 0;
  int64_t num_rows = 0;  // T, rounded up
  int64_t live_rows = 0;
  Slice offsets;  // (G + 1)
  // Dropout keys: the number of the distinct sequence, group or example in the data set.
  Slice unit_ids;            // (G)
  Slice row_unit_ids;        // (T)
  Slice row_positions;       // (T) position in the unit
  int64_t num_segments = 0;  // segments of all units, in row order
  Slice segment_offsets;     // (num_segments + 1) rows where each segment begins
  // (T) of a scope wider than a segment: the rows' words (kernels/lexical_bias.h). With
  // PackPlan::words.
  Slice words;
  Work work;             // of the attention of all rows
  Gather from_previous;  // level 0: empty
  // Of a one-sided stage.
  std::optional<KeptRows> kept;

  // (G + 1) where each unit's keys begin
  const Slice& k_offsets() const { return kept ? kept->k_offsets : offsets; }
  // The words of its units' keys.
  const Slice& k_words() const { return kept ? kept->k_words : words; }
};

// The rows that the last step computes if it does not compute its whole level: those that the head
// reads.
struct ReadRows {
  int64_t num_rows = 0;  // R, rounded up
  int64_t live_rows = 0;
  // (R) from the rows that enter the last step (before its join, if it has one)
  Gather gather;
  Slice q_offsets;        // (G + 1) of the last level's units
  Slice row_unit_ids;     // (R)
  Slice row_positions;    // (R)
  Slice segment_offsets;  // (segments of the last level + 1) into these rows
  Slice words;            // (R) as of the level
  Work work;              // of the attention of these rows to all rows of their units
};

// What a head gathers, for B examples rounded up; fields that its Reads do not ask for are empty.
struct HeadRows {
  // Rows::kFirst: the example's first row, among the rows that the last step computes.
  Gather first_row;  // (B)
  // Rows::kSegments, kFirstAndTexts, kAll: the rows read, example by example, rounded up. The
  // gather is empty if they already lie in that order.
  Gather rows;
  Slice row_offsets;  // (B + 1) into them
  // Of the segments whose means are read: the example's first one, and the others.
  Gather first_segment;   // (B)
  Gather other_segments;  // (all other segments of all examples)
  Slice other_offsets;    // (B + 1) into other_segments
  // The example's dropout key.
  Slice row_unit_ids;   // (B)
  Slice row_positions;  // (B) 0
};

// The rows of a decoder (target_rows.h). Row i of a sequence reads its token i - 1 (the first row
// reads the start token) and predicts token i.
struct TargetRows {
  int64_t num_sequences = 0;  // S
  int64_t num_rows = 0;       // R, rounded up
  int64_t live_rows = 0;
  Slice token_ids;        // (R) that the rows read
  Slice targets;          // (R) that the rows predict
  Slice offsets;          // (S + 1)
  Slice example_offsets;  // (B + 1): the rows of each example
  // Dropout keys: the example's.
  Slice sequence_ids;   // (S)
  Slice example_ids;    // (B)
  Slice row_unit_ids;   // (R)
  Slice row_positions;  // (R) in the sequence
  Work self_work, cross_work;
};

// What of an example's sequences a batch is run with.
enum class Enters {
  kTokens,
  // States, at a later step than the first: the batch has no tokens.
  kStates,
  // The same, but of sequences that are no example's first only keys and values, in every step
  // (PackSequence::stored). Their ids are then other ones, `num_sequences` of the data set higher:
  // what may be both has rows as an example's first.
  kStatesAndKeys
};

struct PackPlan {
  Schedule schedule;
  Reads reads;
  // The last step computes only the rows that the head reads; false: all (tests).
  bool prune_rows = true;
  // A sequence that occurs in several examples is encoded once; false: once for each (tests).
  bool share_segments = true;
  Enters enters = Enters::kTokens;
  // One-sided stages read their keys where they are, which has no backward.
  bool key_runs = false;
  // Rows have words, for the lexical bias. All sequences then come with their tokens, whatever
  // enters.
  bool words = false;
  // D if the batch goes to CUDA, which needs work lists; 0: no work lists.
  int64_t cuda_head_dim = 0;
};

struct PackedBatch {
  std::vector<int32_t> ints;
  // One for each layer that the head needs. If the head reads only means at the join, the layers
  // from the join on are left out.
  std::vector<Step> steps;
  Reads reads;
  // The means are of the states that enter this step; kFinalStates: of the final states.
  size_t means_step = kFinalStates;
  // Empty if states enter (PackPlan::enters), or if the sequences came without tokens; states must
  // then enter at a later step.
  Slice token_ids;    // (T of level 0)
  Slice token_types;  // (T)
  Slice positions;    // (T)
  std::vector<Level> levels;
  std::optional<ReadRows> read_rows;
  HeadRows head;
  std::optional<TargetRows> targets;
  int64_t num_examples = 0;   // B
  std::vector<Label> labels;  // (B)
};

// What a step does with the rows of a batch. The encoder computes it; FLOPs and the memory estimate
// count it.
struct StepRows {
  // The rows that enter the step, before its join; their keys and values are projected.
  const Level* entering = nullptr;
  // More rows whose keys and values are projected: those that a one-sided stage keeps. In the step
  // that joins they are among the entering ones, so this is null.
  const KeptRows* kept = nullptr;
  // The rows that attend.
  const Level* level = nullptr;
  // The rows that are queries and are computed; null: all of the level.
  const ReadRows* read = nullptr;

  int64_t made_rows() const { return read != nullptr ? read->num_rows : level->num_rows; }
  int64_t live_key_rows() const {
    return entering->live_rows + (kept != nullptr ? kept->live_rows : 0);
  }
  int64_t live_made_rows() const { return read != nullptr ? read->live_rows : level->live_rows; }
};
StepRows rows_of(const PackedBatch& batch, const Step& step);

// A sequence as packing needs it. If its states enter at a later step, `tokens` may be empty unless
// rows have words: the length and the id suffice.
struct PackSequence {
  int32_t id = 0;  // equal for equal sequences; the dropout key
  int64_t length = 0;
  // Tokens of its first segment; `length` if it has one segment.
  int64_t first_length = 0;
  std::span<const int32_t> tokens = {};
  // Its keys and values come from a store in every step, so it has no rows. For sequences that are
  // no example's first, where a one-sided stage follows level 0 and key_runs is set.
  bool stored = false;
};
struct PackExample {
  int32_t id = 0;  // the dropout key
  std::vector<PackSequence> sequences;
  std::span<const int32_t> groups = {};
  Label label = {};
};

// Throws UserError if the schedule has a stage of group scope but an example no groups; if rows
// have words and an example has more than kMaxWordSegments segments; and as steps() does.
PackedBatch pack(std::span<const PackExample> examples, Scope sequences,
                 const SegmentLayout& layout, const PackPlan& plan);
// Packs the examples of `indices`, in that order; duplicates are allowed.
PackedBatch pack(const Dataset& dataset, std::span<const int64_t> indices, const PackPlan& plan);

}  // namespace lait
