// lait/: the library. Its folders say what they hold; this file is the paper's idea.
//
// The schedule (LAIT, arXiv 2305.19585, section 3): which rows see each other in which layer. A schedule is a list of
// stages; in a stage of segment scope a row attends inside its segment, then perhaps inside its group of segments, at last
// inside the whole example. The stock model is one stage of example scope (P = 0), a dual encoder one of segment scope
// (P = L).
//
// The encoder, packing, FLOPs and the memory estimate iterate the rows of `steps`; nobody else walks stages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lait {

// A layer is 8 bits of the dropout key.
inline constexpr int64_t kMaxLayers = 256;

enum class Scope { kSegment, kGroup, kExample };

struct Stage {
  int64_t num_layers = 0;
  Scope scope = Scope::kExample;
  bool operator==(const Stage&) const = default;
};
using Schedule = std::vector<Stage>;

// P layers of segment scope, then L - P of example scope. Throws UserError unless 0 <= P <= L.
Schedule split_schedule(int64_t independent_layers, int64_t num_layers);

// Throws UserError "expected …, got …" unless stages have at least one layer each, scopes only widen, and the layers
// add up to num_layers.
void check_schedule(const Schedule& schedule, int64_t num_layers);

// P: the layers before the first of example scope.
int64_t independent_layers(const Schedule& schedule);
bool has_scope(const Schedule& schedule, Scope scope);

// Which rows of its level a step updates. One-sided stages will add others, so a reader of steps must not assume that
// every row of a level is a query.
enum class Updates { kAll };

// One layer of the encoder.
struct Step {
  // Index of the encoder's layer, also in the dropout key.
  int64_t layer = 0;
  // Of the rows that attend here: an index into levels().
  size_t level = 0;
  // Rows enter at level - 1: q, k and v are projected there, once for each distinct unit, and gathered into this level.
  bool joins = false;
  // The encoder's last: it makes only the rows that the head reads.
  bool last = false;
  Updates updates = Updates::kAll;
};

// One row for each layer. `sequences` says what one token sequence of the data is: a segment, or a whole example (the
// pair format). Throws UserError where sequences of examples meet a stage of narrower scope.
std::vector<Step> steps(const Schedule& schedule, Scope sequences);

// The scopes that the steps visit, strictly widening; level 0 is the scope of the sequences.
std::vector<Scope> levels(const Schedule& schedule, Scope sequences);

// Segments of an example by index; none listed: all of them.
using SegmentList = std::vector<int32_t>;

// What a head reads of the encoder. Packing, pruning and FLOPs follow from steps and this.
struct Reads {
  enum class Rows {
    kNone,
    // The first row of the example.
    kFirst,
    // All rows of row_segments.
    kSegments,
    kAll
  };
  enum class Means {
    kNone,
    // Of the states that enter the first step of example scope. They belong to single segments. Where no step is before
    // it, or none is of example scope: of the final states.
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
// The step that the states of the means enter; kFinalStates where the means are of the final ones.
size_t means_step(const std::vector<Step>& steps, const std::vector<Scope>& levels,
                  const Reads& reads);

// The last step makes every row of its level; else only those that the head reads.
bool makes_all_rows(const Reads& reads, size_t means_step);

// "3 × segment, 3 × example"
std::string describe(const Schedule& schedule);
// "segment", "group", "example"
std::string to_string(Scope scope);

}  // namespace lait
