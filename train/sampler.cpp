#include "train/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/philox.h"
#include "lait/data/batches.h"

namespace lait {
namespace {

// Fisher-Yates with Philox words (std::shuffle differs between standard libraries).
template <class T>
void shuffle(std::vector<T>& values, uint64_t seed, uint32_t epoch, uint32_t stream) {
  for (size_t i = values.size(); i > 1; --i) {
    const auto words =
        kernels::philox(static_cast<uint32_t>(i), epoch, stream, 0xFFFFFFFEu,
                        static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    const uint64_t wide = (uint64_t{words.word[0]} << 32) | words.word[1];
    std::swap(values[i - 1], values[wide % i]);
  }
}

}  // namespace

std::vector<std::vector<int64_t>> epoch_batches(const Dataset& dataset,
                                                const TrainingConfig& config, int64_t epoch) {
  std::vector<int64_t> order(dataset.size());
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, config.seed, static_cast<uint32_t>(epoch), 0);
  const double mean_length = [&] {
    int64_t total = 0;
    for (int64_t i : order) total += dataset.example_length(i);
    return static_cast<double>(total) / static_cast<double>(std::max<size_t>(1, order.size()));
  }();
  const double batch_examples = config.batch_by == BatchBy::kTokens
                                    ? static_cast<double>(config.batch_size) / mean_length
                                    : static_cast<double>(config.batch_size);
  const auto pool = std::max<int64_t>(1, static_cast<int64_t>(kPoolBatches * batch_examples));
  for (int64_t begin = 0; begin < dataset.size(); begin += pool) {
    const auto end = std::min(begin + pool, dataset.size());
    std::ranges::stable_sort(order.begin() + begin, order.begin() + end, std::ranges::greater(),
                             [&](int64_t i) { return dataset.example_length(i); });
  }
  auto batches = split_into_batches(dataset, order, config.batch_size, config.batch_by);
  shuffle(batches, config.seed, static_cast<uint32_t>(epoch), 1);
  return batches;
}

TrainingLength training_length(const Dataset& dataset, const TrainingConfig& config) {
  const auto steps_of = [&](int64_t epoch) {
    return (std::ssize(epoch_batches(dataset, config, epoch)) + config.accumulation - 1) /
           config.accumulation;
  };
  const int64_t first = steps_of(0);
  if (config.steps)
    return {*config.steps, static_cast<double>(*config.steps) / static_cast<double>(first)};
  const double epochs = config.epochs.value_or(kDefaultEpochs);
  int64_t steps = 0;
  for (int64_t epoch = 0; static_cast<double>(epoch) < epochs; ++epoch) {
    // If batches are counted in examples, every epoch has the same number of them.
    const int64_t whole =
        epoch > 0 && config.batch_by == BatchBy::kTokens ? steps_of(epoch) : first;
    const double share = std::min(1.0, epochs - static_cast<double>(epoch));
    steps += std::max<int64_t>(1, std::llround(share * static_cast<double>(whole)));
  }
  return {steps, epochs};
}

}  // namespace lait
