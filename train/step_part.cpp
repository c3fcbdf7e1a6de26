#include "train/step_part.h"

#include <algorithm>
#include <numeric>

#include "lait/data/batches.h"
#include "lait/ranks/balance.h"

namespace lait {

StepPart part_of_step(const Dataset& dataset, std::span<const std::vector<int64_t>> batches,
                      int rank, int num_ranks, int64_t max_tokens, const ExampleCosts& costs) {
  StepPart part;
  double whole = 0;  // weight
  const auto weight_of = [&](const std::vector<int64_t>& batch) {
    if (!costs.weight) return static_cast<double>(batch.size());
    double sum = 0;
    for (const int64_t example : batch) sum += costs.weight(example);
    return sum;
  };
  std::vector<double> load(num_ranks, 0);
  for (const auto& batch : batches) {
    part.examples += std::ssize(batch);
    whole += weight_of(batch);
    std::vector<double> flops;
    for (const int64_t example : batch) {
      part.tokens += dataset.example_length(example);
      flops.push_back(costs.flops ? costs.flops(example) : 0);
      if (costs.stored_flops) part.flops -= costs.stored_flops(example);
    }
    part.flops += std::reduce(flops.begin(), flops.end());
    std::vector<int64_t> mine = batch;
    if (num_ranks > 1) {
      const std::vector<int> rank_of = deal_out(flops, load);
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
  for (const auto& batch : part.micro_batches) part.shares.push_back(weight_of(batch) / whole);
  if (part.micro_batches.empty()) {
    part.micro_batches.push_back({batches.front().front()});
    part.shares.push_back(0);
  }
  return part;
}

}  // namespace lait
