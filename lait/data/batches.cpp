#include "lait/data/batches.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace lait {

std::vector<std::vector<int64_t>> split_into_batches(const Dataset& dataset,
                                                     std::span<const int64_t> order,
                                                     int64_t batch_size, BatchBy by) {
  std::vector<std::vector<int64_t>> batches;
  int64_t used = 0;
  for (int64_t i : order) {
    const int64_t cost = by == BatchBy::kTokens ? dataset.example_length(i) : 1;
    if (batches.empty() || used + cost > batch_size) {
      batches.emplace_back();
      used = 0;
    }
    batches.back().push_back(i);
    used += cost;
  }
  return batches;
}

std::vector<int64_t> longest_first(const Dataset& dataset) {
  std::vector<int64_t> order(dataset.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](int64_t i) { return dataset.example_length(i); });
  return order;
}

std::vector<std::vector<int64_t>> batches_by_length(const Dataset& dataset, int64_t batch_size,
                                                    BatchBy by) {
  return split_into_batches(dataset, longest_first(dataset), batch_size, by);
}

}  // namespace lait
