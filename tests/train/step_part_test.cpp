// What each rank computes of a step.
#include "train/step_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "lait/predict/predictor.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {
namespace {

using Batches = std::vector<std::vector<int64_t>>;

class StepPartTest : public testing::Test {
 protected:
  StepPartTest() {
    const TemporaryFolder folder;
    write_checkpoint(folder / "model");
    data_ = Predictor::load(folder / "model").tokenize(tiny_examples(1, 40));
  }
  StepPart part(const Batches& batches, int rank, int num_ranks, int64_t max_tokens = 0) const {
    const auto flops = [&](int64_t example) {
      return static_cast<double>(data_->example_length(example));
    };
    return part_of_step(*data_, batches, rank, num_ranks, max_tokens, {.flops = flops});
  }
  int64_t tokens_of(const std::vector<int64_t>& batch) const {
    int64_t tokens = 0;
    for (const int64_t example : batch) tokens += data_->example_length(example);
    return tokens;
  }

  std::optional<Dataset> data_;
};

TEST_F(StepPartTest, OneRankComputesTheBatchesAsTheyAre) {
  const Batches batches{{3, 1, 2}, {7}};
  const StepPart all = part(batches, 0, 1);
  EXPECT_EQ(all.micro_batches, batches);
  EXPECT_EQ(all.shares, (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(all.examples, 4);
  EXPECT_EQ(all.tokens, tokens_of({1, 2, 3, 7}));
}

TEST_F(StepPartTest, EveryExampleOnceAndBalanced) {
  std::vector<int64_t> batch(40);
  std::iota(batch.begin(), batch.end(), 0);
  std::ranges::reverse(batch);
  for (const int ranks : {2, 3, 7}) {
    SCOPED_TRACE(ranks);
    std::vector<int64_t> seen;
    double shares = 0;
    const double mean = static_cast<double>(tokens_of(batch)) / ranks;
    for (int rank = 0; rank < ranks; ++rank) {
      const StepPart mine = part({batch}, rank, ranks);
      ASSERT_EQ(mine.micro_batches.size(), 1);
      const std::vector<int64_t>& examples = mine.micro_batches[0];
      EXPECT_TRUE(std::ranges::is_sorted(examples, std::ranges::greater()));  // as in the batch
      EXPECT_NEAR(static_cast<double>(tokens_of(examples)), mean, 0.05 * mean);
      EXPECT_EQ(mine.examples, 40);
      EXPECT_EQ(mine.tokens, tokens_of(batch));
      seen.insert(seen.end(), examples.begin(), examples.end());
      shares += mine.shares[0];
    }
    std::ranges::sort(seen, std::ranges::greater());
    EXPECT_EQ(seen, batch);
    EXPECT_NEAR(shares, 1, 1e-12);
  }
}

TEST_F(StepPartTest, ARankWithoutExamplesTakesPartWithWeightZero) {
  double shares = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const StepPart mine = part({{5}}, rank, 3);
    ASSERT_EQ(mine.micro_batches, (Batches{{5}}));
    shares += mine.shares[0];
  }
  EXPECT_EQ(shares, 1);
}

TEST_F(StepPartTest, LargePartsBecomeSeveralMicroBatches) {
  const Batches batches{{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10}};
  const StepPart whole = part(batches, 0, 1), cut = part(batches, 0, 1, /*max_tokens=*/40);
  EXPECT_GT(cut.micro_batches.size(), 2);
  std::vector<int64_t> seen;
  double shares = 0;
  for (size_t i = 0; i < cut.micro_batches.size(); ++i) {
    const auto& batch = cut.micro_batches[i];
    EXPECT_TRUE(tokens_of(batch) <= 40 || batch.size() == 1);
    seen.insert(seen.end(), batch.begin(), batch.end());
    shares += cut.shares[i];
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_NEAR(shares, 1, 1e-12);
  EXPECT_EQ(cut.examples, whole.examples);
}

}  // namespace
}  // namespace lait
