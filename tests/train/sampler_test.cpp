// The order of training.
#include "train/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/data/letters_tokenizer.h"
#include "train/shared_order.h"

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
  config.share_segments = ShareSegments::kOff;  // 50 texts
  double spread = 0;
  const auto batches = epoch_batches(dataset, config, 0);
  for (const auto& batch : batches) {
    const auto [low, high] =
        std::ranges::minmax(batch, {}, [&](int64_t i) { return dataset.example_length(i); });
    spread += static_cast<double>(dataset.example_length(high) - dataset.example_length(low));
  }
  EXPECT_LT(spread / static_cast<double>(batches.size()), 5);  // of 50
}

// `passages` passages of 5 questions of 6 answers each; MultiRC's shape.
Dataset nested_dataset(int passages) {
  std::vector<Example> examples;
  for (int p = 0; p < passages; ++p) {
    for (int q = 0; q < 5; ++q) {
      for (int a = 0; a < 6; ++a) {
        const auto word = [](char letter, int number) {
          std::string text(1, letter);
          for (; number > 0; number /= 2) text += number % 2 == 0 ? 'a' : 'b';
          return text;
        };
        examples.emplace_back().segments = {std::string(60, 'a') + word('p', p),
                                            std::string(8, 'q') + word('q', p * 5 + q),
                                            word('x', (p * 5 + q) * 6 + a)};
      }
    }
  }
  return Dataset(examples, LettersTokenizer(), {});
}

TEST(SharedOrder, BringsExamplesOfFourPassagesTogether) {
  const Dataset dataset = nested_dataset(50);
  TrainingConfig config;
  config.batch_size = 64;
  const auto batches = epoch_batches(dataset, config, 1);
  std::vector<int64_t> seen;
  int64_t distinct = 0;
  for (const auto& batch : batches) {
    std::set<int32_t> passages, sequences;
    for (const int64_t i : batch) {
      const auto of_example = dataset.example(i).sequences;
      passages.insert(of_example[0]);
      sequences.insert(of_example.begin(), of_example.end());
    }
    EXPECT_GE(passages.size(), 4u);
    EXPECT_LE(passages.size(), 9u);
    distinct += std::ssize(sequences);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::ranges::sort(seen);
  ASSERT_EQ(std::ssize(seen), dataset.size());
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<int64_t>(i));
  // An answer each, about 6 passages and 14 questions of 64 answers: few questions are cut.
  EXPECT_LE(distinct, dataset.size() + std::ssize(batches) * 26);
  EXPECT_NE(batches, epoch_batches(dataset, config, 2));
  EXPECT_EQ(batches, epoch_batches(dataset, config, 1));
}

TEST(SharedOrder, AutoFollowsTheRepeatsOfTheData) {
  TrainingConfig config;
  EXPECT_TRUE(shares_segments(nested_dataset(10), config));
  EXPECT_FALSE(shares_segments(dataset_of(40), config));
  config.share_segments = ShareSegments::kOff;
  EXPECT_FALSE(shares_segments(nested_dataset(10), config));
  EXPECT_FALSE(batch_options(config).share_segments);
  config.share_segments = ShareSegments::kOn;
  EXPECT_TRUE(shares_segments(dataset_of(40), config));
}

TEST(SharedOrder, HoldsEveryExampleOnceWhateverTheSizes) {
  for (const int passages : {0, 1, 2, 3, 5}) {
    const Dataset dataset = nested_dataset(passages);
    for (const int64_t batch : {1, 3, 64, 1000}) {
      auto order = shared_order(dataset, batch, /*seed=*/5, /*epoch=*/0);
      std::ranges::sort(order);
      ASSERT_EQ(std::ssize(order), dataset.size());
      for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<int64_t>(i));
    }
  }
}

// Groups of other sizes: 38, 21, 21, 20 examples; batches that rounding could give to few of them.
TEST(SharedOrder, GroupsOfOtherSizesAreInEveryBatchToo) {
  std::vector<Example> examples;
  const int sizes[] = {38, 21, 21, 20};
  for (size_t group = 0; group < std::size(sizes); ++group) {
    for (int i = 0; i < sizes[group]; ++i)
      examples.emplace_back().segments = {std::string(20, static_cast<char>('a' + group)),
                                          std::string(static_cast<size_t>(i + 1), 'x')};
  }
  const Dataset dataset(examples, LettersTokenizer(), {});
  for (const int64_t batch : {4, 5, 8, 10}) {
    const auto order = shared_order(dataset, batch, /*seed=*/3, /*epoch=*/0);
    // The rest of the largest group is of one.
    for (int64_t begin = 0; begin + batch <= 80; begin += batch) {
      std::set<int32_t> groups;
      for (int64_t i = begin; i < begin + batch; ++i)
        groups.insert(dataset.example(order[static_cast<size_t>(i)]).sequences[0]);
      EXPECT_EQ(groups.size(), 4u) << "batches of " << batch << ", from " << begin;
    }
  }
}

TEST(SharedOrder, CountsTokensOfBatches) {
  const Dataset dataset = nested_dataset(20);
  TrainingConfig config;
  config.batch_by = BatchBy::kTokens;
  config.batch_size = 5000;
  int64_t examples = 0;
  for (const auto& batch : epoch_batches(dataset, config, 0)) {
    int64_t tokens = 0;
    for (const int64_t i : batch) tokens += dataset.example_length(i);
    EXPECT_LE(tokens, 5000);
    examples += std::ssize(batch);
  }
  EXPECT_EQ(examples, dataset.size());
}

}  // namespace
}  // namespace lait
