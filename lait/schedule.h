// lait/: the library. Each folder says what it holds; this file is the paper's idea.
//
// The schedule (LAIT, arXiv 2305.19585, section 3): which rows see each other in which layer. A
// schedule is a list of stages. In a stage of segment scope a row attends inside its segment; in
// later stages it may attend inside its group of segments, and finally inside the whole example.
// The stock model is one stage of example scope (P = 0); a dual encoder is one stage of segment
// scope (P = L).
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

struct Stage {
  int64_t num_layers = 0;
  Scope scope = Scope::kExample;
  bool operator==(const Stage&) const = default;
};
using Schedule = std::vector<Stage>;

// P layers of segment scope, then L - P of example scope. Throws UserError unless 0 <= P <= L.
Schedule split_schedule(int64_t independent_layers, int64_t num_layers);

// Throws UserError "expected …, got …" unless each stage has at least one layer, scopes only widen,
// and the layers add up to num_layers.
void check_schedule(const Schedule& schedule, int64_t num_layers);

// P: the number of layers before the first of example scope.
int64_t independent_layers(const Schedule& schedule);
bool has_scope(const Schedule& schedule, Scope scope);

// Which rows of its level a step updates. One-sided stages will add other values, so code that
// reads steps must not assume that every row of a level is a query.
enum class Updates { kAll };

// One layer of the encoder.
struct Step {
  // Index of the encoder's layer; also part of the dropout key.
  int64_t layer = 0;
  // The level of the rows that attend here: an index into levels().
  size_t level = 0;
  // Rows enter at level - 1: q, k and v are projected there, once for each distinct unit, and
  // gathered into this level.
  bool joins = false;
  // The encoder's last step: it computes only the rows that the head reads.
  bool last = false;
  Updates updates = Updates::kAll;
};

// One entry for each layer. `sequences` says what one token sequence of the data is: a segment, or
// a whole example (the pair format). Throws UserError if sequences are examples and a stage has a
// narrower scope.
std::vector<Step> steps(const Schedule& schedule, Scope sequences);

// The scopes that the steps visit, strictly widening; level 0 is the scope of the sequences.
std::vector<Scope> levels(const Schedule& schedule, Scope sequences);

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
size_t means_step(const std::vector<Step>& steps, const std::vector<Scope>& levels,
                  const Reads& reads);

// Whether the last step computes every row of its level, not only the rows that the head reads.
bool makes_all_rows(const Reads& reads, size_t means_step);

// "3 × segment, 3 × example"
std::string describe(const Schedule& schedule);
// "segment", "group", "example"
std::string to_string(Scope scope);

}  // namespace lait
