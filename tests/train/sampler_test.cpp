// The order of training.
#include "train/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/data/letters_tokenizer.h"

namespace lait {
namespace {

Dataset dataset_of(int count) {
  std::vector<Example> examples;
  for (int i = 0; i < count; ++i) {
    Example example;
    example.segments = {std::string(static_cast<size_t>(i * 7 % 50), 'a')};
    examples.push_back(example);
  }
  return Dataset(examples, LettersTokenizer(), {});
}

TEST(Sampler, AnEpochHoldsEveryExampleOnce) {
  const Dataset dataset = dataset_of(1003);
  TrainingConfig config;
  for (const BatchBy by : {BatchBy::kExamples, BatchBy::kTokens}) {
    config.batch_by = by;
    config.batch_size = by == BatchBy::kTokens ? 300 : 8;
    std::vector<int64_t> seen;
    for (const auto& batch : epoch_batches(dataset, config, 3)) {
      int64_t cost = 0;
      for (int64_t i : batch) cost += by == BatchBy::kTokens ? dataset.example_length(i) : 1;
      EXPECT_LE(cost, config.batch_size);
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    std::ranges::sort(seen);
    ASSERT_EQ(seen.size(), 1003u);
    for (int64_t i = 0; i < 1003; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
  }
}

TEST(Sampler, EpochsAndSeedsDifferAndOneOfEachIsOneOrder) {
  const Dataset dataset = dataset_of(200);
  TrainingConfig config, other;
  other.seed = 2;
  EXPECT_EQ(epoch_batches(dataset, config, 0), epoch_batches(dataset, config, 0));
  EXPECT_NE(epoch_batches(dataset, config, 0), epoch_batches(dataset, config, 1));
  EXPECT_NE(epoch_batches(dataset, config, 0), epoch_batches(dataset, other, 0));
}

TEST(Sampler, BatchesHoldSimilarLengths) {
  const Dataset dataset = dataset_of(3000);
  TrainingConfig config;
  double spread = 0;
  const auto batches = epoch_batches(dataset, config, 0);
  for (const auto& batch : batches) {
    const auto [low, high] =
        std::ranges::minmax(batch, {}, [&](int64_t i) { return dataset.example_length(i); });
    spread += static_cast<double>(dataset.example_length(high) - dataset.example_length(low));
  }
  EXPECT_LT(spread / static_cast<double>(batches.size()), 5);  // of 50
}

}  // namespace
}  // namespace lait
