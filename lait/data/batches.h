// Which examples form a batch.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "lait/config/config.h"
#include "lait/data/dataset.h"

namespace lait {

// Consecutive runs of `order`, each of at most batch_size examples or tokens, but at least one
// example.
std::vector<std::vector<int64_t>> split_into_batches(const Dataset& dataset,
                                                     std::span<const int64_t> order,
                                                     int64_t batch_size, BatchBy by);
// All examples, the longest ones first.
std::vector<int64_t> longest_first(const Dataset& dataset);
// Batches of at most `batch_size` examples (or tokens) of similar lengths, longest first, each
// example once; for evaluation.
std::vector<std::vector<int64_t>> batches_by_length(const Dataset& dataset, int64_t batch_size,
                                                    BatchBy by);

}  // namespace lait
