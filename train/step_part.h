// Which examples a rank computes in an optimiser step, and in which micro-batches.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lait/data/dataset.h"

namespace lait {

// What an example weighs, by its index.
struct ExampleCosts {
  // FLOPs, by which ranks get similar parts. Null: all are 0.
  std::function<double(int64_t)> flops = {};
  // Of those, the FLOPs of layers whose states come from a store, which StepPart::flops leaves out:
  // which rank computes an example does not depend on the store. Null: none.
  std::function<double(int64_t)> stored_flops = {};
  // In the mean of the step's losses. Null: all are equal.
  std::function<double(int64_t)> weight = {};
};

struct StepPart {
  std::vector<std::vector<int64_t>> micro_batches;
  // Of each micro-batch in the step's examples, by their weights: the weight of its mean loss. 0
  // where a rank has no example of its own and computes one only to take part in the sums.
  std::vector<double> shares;
  // Of the whole step, all ranks.
  int64_t examples = 0, tokens = 0;
  double flops = 0;  // that are computed
};

// `batches` are those of the step. Each is dealt out to the ranks so that the sums of FLOPs are
// similar; a part with more than `max_tokens` tokens (0: no limit) becomes several micro-batches. A
// rank keeps the order of the batch. REQUIRES: no batch is empty.
StepPart part_of_step(const Dataset& dataset, std::span<const std::vector<int64_t>> batches,
                      int rank, int num_ranks, int64_t max_tokens, const ExampleCosts& costs);

}  // namespace lait
