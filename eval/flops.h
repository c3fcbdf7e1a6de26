// FLOPs of the encoder for one example, counted from the offsets that packing makes of it.
//
// One definition, printed beside every figure: a multiply-add is 2 FLOPs. What a row and a pair cost is the family's
// word (LayerCosts); for BERT:
//   score_context   Q K^T and P V over the pairs of rows that see each other              4 C a pair
//   attention       and the Q, K, V, O projections                                        2 C^2 a row and projection
//   encoder         and the FFN                                                           4 C I a row
// Each three times:
//   full            the stock model: in every layer every row attends the whole example
//   lait            what the schedule executes for the example alone: each of its distinct segments once in the
//                   independent layers, in the last layer only the rows that the head reads (keys, values of all)
//   lait_cached     what is left of it when the segments' states after the independent layers, and q, k, v of the first
//                   layer behind them, come from a cache
// Embeddings, norms, softmax and head are not counted, dead rows of the packing neither.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lait/data/packing.h"
#include "lait/model/family.h"

namespace lait {

extern const char* const kFlopsDefinition;  // the above in one line, for reports

struct Flops {
  double score_context = 0, attention = 0, encoder = 0;
  Flops& operator+=(const Flops& other);
  Flops operator/(double divisor) const;
};

struct FlopCounts {
  Flops full, lait, lait_cached;
};

// What one layer does, in rows and pairs.
struct LayerWork {
  int64_t query_rows = 0;      // rows whose q is computed
  int64_t key_value_rows = 0;  // rows whose k and v are computed
  int64_t finished_rows = 0;   // rows that go through attention's output and the FFN
  int64_t visible_pairs = 0;   // sum over units of n_q * n_k
};
Flops count_flops(const LayerWork& work, const LayerCosts& costs);

enum class Execution { kFull, kLait, kLaitCached };
// The layers of one example's pass, first to last.
std::vector<LayerWork> layer_work(const Dataset& dataset, int64_t example, const PackPlan& plan,
                                  Execution execution);

FlopCounts example_flops(const Dataset& dataset, int64_t example, const PackPlan& plan,
                         const LayerCosts& costs);
// Per example, the mean over the data set. REQUIRES: a data set that is not empty.
FlopCounts mean_flops(const Dataset& dataset, const PackPlan& plan, const LayerCosts& costs);

}  // namespace lait
