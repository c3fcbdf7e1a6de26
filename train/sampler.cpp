#include "train/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lait/data/batches.h"
#include "train/shared_order.h"
#include "train/shuffle.h"

namespace lait {
namespace {

// Shuffled; each pool of kPoolBatches batches sorted by length.
std::vector<int64_t> order_by_length(const Dataset& dataset, double batch_examples, uint64_t seed,
                                     uint32_t epoch) {
  std::vector<int64_t> order(dataset.size());
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, seed, epoch, 0);
  const auto pool = std::max<int64_t>(1, static_cast<int64_t>(kPoolBatches * batch_examples));
  for (int64_t begin = 0; begin < dataset.size(); begin += pool) {
    const auto end = std::min(begin + pool, dataset.size());
    std::ranges::stable_sort(order.begin() + begin, order.begin() + end, std::ranges::greater(),
                             [&](int64_t i) { return dataset.example_length(i); });
  }
  return order;
}

// Of a batch, on average.
double examples_of_batch(const Dataset& dataset, const TrainingConfig& config) {
  if (config.batch_by == BatchBy::kExamples) return static_cast<double>(config.batch_size);
  int64_t tokens = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) tokens += dataset.example_length(i);
  const double mean_length =
      static_cast<double>(tokens) / static_cast<double>(std::max<int64_t>(1, dataset.size()));
  return static_cast<double>(config.batch_size) / mean_length;
}

}  // namespace

std::vector<std::vector<int64_t>> epoch_batches(const Dataset& dataset,
                                                const TrainingConfig& config, int64_t epoch) {
  const auto number = static_cast<uint32_t>(epoch);
  const double examples = examples_of_batch(dataset, config);
  const std::vector<int64_t> order =
      shares_segments(dataset, config)
          ? shared_order(dataset, std::max<int64_t>(1, std::llround(examples)), config.seed, number)
          : order_by_length(dataset, examples, config.seed, number);
  auto batches = split_into_batches(dataset, order, config.batch_size, config.batch_by);
  shuffle(batches, config.seed, number, 1);
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
