#include "train/step_part.h"

#include <algorithm>

#include "lait/data/batches.h"

namespace lait {
namespace {

// The rank of each example: the costliest examples first, each to the rank with the least so far in
// the step, which `load` counts.
std::vector<int> deal_out(std::span<const int64_t> batch,
                          const std::function<double(int64_t)>& cost, std::vector<double>& load) {
  std::vector<double> costs;
  std::vector<size_t> order;
  for (size_t i = 0; i < batch.size(); ++i) {
    costs.push_back(cost(batch[i]));
    order.push_back(i);
  }
  std::ranges::stable_sort(order, std::ranges::greater(), [&](size_t i) { return costs[i]; });
  std::vector<int> rank_of(batch.size());
  for (const size_t i : order) {
    const auto least = std::ranges::min_element(load);
    *least += costs[i];
    rank_of[i] = static_cast<int>(least - load.begin());
  }
  return rank_of;
}

}  // namespace

StepPart part_of_step(const Dataset& dataset, std::span<const std::vector<int64_t>> batches,
                      int rank, int num_ranks, int64_t max_tokens,
                      const std::function<double(int64_t)>& cost) {
  StepPart part;
  std::vector<double> load(num_ranks, 0);
  for (const auto& batch : batches) {
    part.examples += std::ssize(batch);
    for (const int64_t example : batch) part.tokens += dataset.example_length(example);
    std::vector<int64_t> mine = batch;
    if (num_ranks > 1) {
      const std::vector<int> rank_of = deal_out(batch, cost, load);
      mine.clear();
      for (size_t i = 0; i < batch.size(); ++i) {
        if (rank_of[i] == rank) mine.push_back(batch[i]);
      }
    }
    if (max_tokens == 0) {
      if (!mine.empty()) part.micro_batches.push_back(std::move(mine));
    } else {
      std::ranges::move(split_into_batches(dataset, mine, max_tokens, BatchBy::kTokens),
                        std::back_inserter(part.micro_batches));
    }
  }
  for (const auto& batch : part.micro_batches) {
    part.shares.push_back(static_cast<double>(batch.size()) / static_cast<double>(part.examples));
  }
  if (part.micro_batches.empty()) {
    part.micro_batches.push_back({batches.front().front()});
    part.shares.push_back(0);
  }
  return part;
}

}  // namespace lait
