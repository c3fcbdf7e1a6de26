// The batches of the steps, made in time or ahead of it.
#include "train/step_batches.h"

#include <gtest/gtest.h>

#include "tests/model/small_bert.h"

namespace lait {
namespace {

class StepBatchesTest : public testing::Test {
 protected:
  StepBatchesTest() {
    config_.batch_size = 4;
    config_.accumulation = 3;
  }

  const SmallBert bert_;
  const ModelSpec spec_ = bert_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  const Model model_ = bert_.model(spec_, at::kFloat);
  // Eight batches, so three steps in an epoch, the last of two batches.
  const Dataset dataset_ = bert_.dataset(spec_, bert_.random_examples(3, 31));
  const Ranks ranks_;
  TrainingConfig config_;
};

TEST_F(StepBatchesTest, AreTheSameAheadOfTime) {
  StepMaker ahead(model_, dataset_, config_, ranks_), in_time(model_, dataset_, config_, ranks_);
  BatchPosition at;
  std::vector<BatchPosition> seen;
  for (int step = 0; step < 7; ++step) {
    const StepBatches a = ahead.make(at), b = in_time.make(at);
    ahead.prepare(a.next);
    EXPECT_EQ(a.part.micro_batches, b.part.micro_batches);
    EXPECT_EQ(a.part.shares, b.part.shares);
    EXPECT_GT(a.part.flops, 0);
    EXPECT_EQ(a.part.flops, b.part.flops);
    ASSERT_EQ(a.micro_batches.size(), b.micro_batches.size());
    for (size_t i = 0; i < a.micro_batches.size(); ++i) {
      EXPECT_TRUE(at::equal(a.micro_batches[i].ints, b.micro_batches[i].ints));
      EXPECT_TRUE(at::equal(a.micro_batches[i].labels, b.micro_batches[i].labels));
    }
    EXPECT_EQ(ahead.batches_of(a.next.epoch), 8);
    seen.push_back(at);
    EXPECT_EQ(a.next, b.next);
    at = a.next;
  }
  EXPECT_EQ(seen,
            (std::vector<BatchPosition>{
                {0, 0, 0}, {1, 0, 3}, {2, 0, 6}, {3, 1, 0}, {4, 1, 3}, {5, 1, 6}, {6, 2, 0}}));
}

TEST_F(StepBatchesTest, AnotherStepThanThePreparedOneIsMade) {
  StepMaker maker(model_, dataset_, config_, ranks_), other(model_, dataset_, config_, ranks_);
  maker.prepare({1, 0, 3});
  EXPECT_EQ(maker.make({3, 1, 0}).part.micro_batches, other.make({3, 1, 0}).part.micro_batches);
}

// Three times the forward's, less where nothing is trained.
TEST_F(StepBatchesTest, FlopsFollowWhatIsTrained) {
  const auto flops = [&](const FrozenParts& frozen) {
    Model model = bert_.model(spec_, at::kFloat);
    model->freeze(frozen);
    return training_costs(model, dataset_, spec_.schedule).flops(0);
  };
  const double all = flops({}),
               none = flops({.embeddings = true, .layers = {true, true, true, true}});
  EXPECT_NEAR(all / none, 3, 1e-9);
  const double lower = flops({.embeddings = true, .layers = {true, true, false, false}});
  EXPECT_LT(lower, all);
  EXPECT_GT(lower, none);
  // The embeddings need the gradients of what enters the frozen layers.
  const double above = flops({.layers = {true, true, false, false}});
  EXPECT_NEAR(above - lower, (all - above), 1e-6 * all);
}

}  // namespace
}  // namespace lait
