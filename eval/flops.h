// FLOPs of the encoder for one example, counted from the offsets that packing computes.
//
// There is one definition, printed with every number: a multiply-add is 2 FLOPs. The family says
// what a row and a pair cost (LayerCosts). For BERT:
//   score_context   Q K^T and P V over pairs of rows that see each other  4 C per pair
//   attention       adds the Q, K, V, O projections                       2 C^2 per row, projection
//   encoder         adds the FFN                                          4 C I per row
// Each is counted for three executions:
//   full            the stock model: in every layer, every row attends to the whole example
//   lait            what the schedule executes for the example alone: each distinct segment once in
//                   the independent layers; in the last layer only the rows that the head reads
//                   (keys and values of all rows)
//   lait_cached     what remains of lait if the states of the segments after the independent
//                   layers, and q, k, v of the next layer, come from a cache; in a one-sided
//                   stage after them also the kept rows' k and v of every layer; whatever the type
//                   that the cache keeps them in (conversions are not counted)
// Embeddings, norms, softmax, head and the dead rows of packing are not counted.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lait/data/packing.h"
#include "lait/model/family.h"

namespace lait {

extern const char* const kFlopsDefinition;  // the definition in one line, for reports

struct Flops {
  double score_context = 0, attention = 0, encoder = 0;
  Flops& operator+=(const Flops& other);
  Flops operator/(double divisor) const;
};

// The three counts by name, in the order of reports.
struct FlopKind {
  const char* name;
  double Flops::*member;
};
inline constexpr std::array<FlopKind, 3> kFlopKinds{{{"score_context", &Flops::score_context},
                                                     {"attention", &Flops::attention},
                                                     {"encoder", &Flops::encoder}}};

// The share of the stock model's FLOPs; all of them if it has none.
inline double flop_share(double part, double whole) { return whole > 0 ? part / whole : 1; }

struct FlopCounts {
  Flops full, lait, lait_cached;
};

// What one layer does, in rows and pairs.
struct LayerWork {
  int64_t query_rows = 0;      // rows whose q is computed
  int64_t key_value_rows = 0;  // rows whose k and v are computed
  int64_t finished_rows = 0;   // rows that pass the output projection and the FFN
  int64_t visible_pairs = 0;   // sum of n_q * n_k over units
};
Flops count_flops(const LayerWork& work, const LayerCosts& costs);

enum class Execution { kFull, kLait, kLaitCached };
// The work of each layer for one example, first layer first.
std::vector<LayerWork> layer_work(const Dataset& dataset, int64_t example, const PackPlan& plan,
                                  Execution execution);

// The sum of the layers' work.
Flops execution_flops(const Dataset& dataset, int64_t example, const PackPlan& plan,
                      const LayerCosts& costs, Execution execution);
// What a batch of the examples computes: segments that they share once, unless the plan says not.
Flops batch_flops(const Dataset& dataset, std::span<const int64_t> examples, const PackPlan& plan,
                  const LayerCosts& costs);
FlopCounts example_flops(const Dataset& dataset, int64_t example, const PackPlan& plan,
                         const LayerCosts& costs);
// Mean over the data set, per example. REQUIRES: the data set is not empty.
FlopCounts mean_flops(const Dataset& dataset, const PackPlan& plan, const LayerCosts& costs);

}  // namespace lait
