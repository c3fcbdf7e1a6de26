// lait/: the library. Each folder says what it holds; this file is the paper's idea.
//
// The schedule (LAIT, arXiv 2305.19585, section 3): which rows see each other in which layer. A
// schedule is a list of stages. In a stage of segment scope a row attends inside its segment; in
// later stages it may attend inside its group of segments, and finally inside the whole example.
// The stock model is one stage of example scope (P = 0); a dual encoder is one stage of segment
// scope (P = L).
//
// In a one-sided stage (MICE, arXiv 2602.16299) only the rows of an example's first segment are
// updated. The other segments' rows keep the states that entered the stage, of which each layer
// projects keys and values: functions of single segments, too. So a joint layer costs the rows of
// the query, not those of the passage.
//
// The encoder, packing, FLOPs and the memory estimate iterate the rows of `steps`; no other code
// walks the stages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lait {

// The dropout key holds the layer in 8 bits.
inline constexpr int64_t kMaxLayers = 256;

enum class Scope { kSegment, kGroup, kExample };

// Which rows a layer computes: all that attend, or those of the example's first segment.
enum class Updates { kAll, kFirst };

struct Stage {
  int64_t num_layers = 0;
  Scope scope = Scope::kExample;
  Updates updates = Updates::kAll;
  bool operator==(const Stage&) const = default;
};
using Schedule = std::vector<Stage>;

// P layers of segment scope, then L - P of example scope. Throws UserError unless 0 <= P <= L.
Schedule split_schedule(int64_t independent_layers, int64_t num_layers);
// The same P with the joint layers of `schedule`: all are one-sided if those are, else the layers
// that are one-sided there.
Schedule split_schedule(int64_t independent_layers, const Schedule& schedule);

// What is wrong with the order of stages: scopes only widen, one-sided stages have example scope,
// and only one-sided ones follow them. Empty if nothing is.
std::string order_problem(const Schedule& schedule);
// Throws UserError "expected …, got …" unless each stage has at least one layer, their order is
// right, and the layers add up to num_layers.
void check_schedule(const Schedule& schedule, int64_t num_layers);

// P: the number of layers before the first of example scope.
int64_t independent_layers(const Schedule& schedule);
// The number of layers of segment scope; the rest have wider ones.
int64_t segment_layers(const Schedule& schedule);
bool has_scope(const Schedule& schedule, Scope scope);
bool is_one_sided(const Schedule& schedule);
// Whether every layer is the stock model's.
bool is_stock(const Schedule& schedule);

// One layer of the encoder.
struct Step {
  // Index of the encoder's layer; also part of the dropout key.
  int64_t layer = 0;
  // The level of the rows that attend here: an index into levels().
  size_t level = 0;
  // Rows enter at level - 1: k and v, and q if all rows are computed, are projected there, once for
  // each distinct unit, and gathered into this level.
  bool joins = false;
  // The encoder's last step: it computes only the rows that the head reads.
  bool last = false;
};

// One entry for each layer. `sequences` says what one token sequence of the data is: a segment, or
// a whole example (the pair format). Throws UserError if sequences are examples and a stage has a
// narrower scope.
std::vector<Step> steps(const Schedule& schedule, Scope sequences);

// The rows that steps compute: of units of a scope, all or those of the first segment. One-sided
// steps have a level of their own. Level 0 is that of the sequences.
struct LevelRows {
  Scope scope = Scope::kSegment;
  Updates updates = Updates::kAll;
  bool operator==(const LevelRows&) const = default;
};
std::vector<LevelRows> levels(const Schedule& schedule, Scope sequences);

// Segments of an example by index; an empty list means all of them.
using SegmentList = std::vector<int32_t>;

// What a head reads from the encoder. Packing, pruning and FLOPs follow from the steps and this.
struct Reads {
  enum class Rows {
    kNone,
    // The first row of the example.
    kFirst,
    // All rows of row_segments.
    kSegments,
    // The first row of the example, then those of the texts of row_segments, without their special
    // tokens.
    kFirstAndTexts,
    kAll
  };
  enum class Means {
    kNone,
    // Of the states that enter the first step of example scope, which belong to single segments. If
    // there is no such step, or it is the first step, of the final states.
    kAtJoin,
    kFinal
  };
  Rows rows = Rows::kNone;
  SegmentList row_segments = {};
  // Means of segments, over the segment's rows.
  Means means = Means::kNone;
  SegmentList mean_segments = {};
  bool operator==(const Reads&) const = default;
};

inline constexpr size_t kFinalStates = SIZE_MAX;
// The step that the states of the means enter; kFinalStates if the means are of the final states.
size_t means_step(const std::vector<Step>& steps, const std::vector<LevelRows>& levels,
                  const Reads& reads);
// The schedule with as many one-sided layers as give the same outputs, to the bit: where only the
// last layer is joint and the head reads the example's first row, nothing else is computed there.
Schedule for_inference(const Schedule& schedule, const Reads& reads);
// Whether the head reads final rows that a one-sided schedule does not compute: those of other
// segments than the first.
bool reads_kept_rows(const Schedule& schedule, const Reads& reads);

// Whether the last step computes every row of its level, not only the rows that the head reads.
bool makes_all_rows(const Reads& reads, size_t means_step);

// "3 × segment, 3 × example", "3 × segment, 3 × example (updates first)"
std::string describe(const Schedule& schedule);
// "segment", "group", "example"
std::string to_string(Scope scope);

}  // namespace lait
