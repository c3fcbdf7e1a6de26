// What ranks exchange. Here they are threads of one process, which is the same to them.
#include "lait/ranks/ranks.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "lait/predict/predictor.h"
#include "lait/ranks/gradient_sums.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"
#include "tests/ranks/free_port.h"

namespace lait {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Calls body on `size` ranks and waits for all. Returns what each threw.
std::vector<std::string> on_ranks(int size, const std::function<void(Ranks&)>& body,
                                  std::chrono::seconds timeout = std::chrono::seconds(30)) {
  const int port = free_port();
  std::vector<std::string> errors(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Ranks ranks({.rank = rank,
                     .size = size,
                     .local_rank = rank,
                     .local_size = size,
                     .address = "127.0.0.1",
                     .port = port},
                    timeout);
        body(ranks);
        ranks.max(0);  // rank 0 has the store
      } catch (const std::exception& error) {
        errors[rank] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

class OnRanks : public testing::TestWithParam<int> {
 protected:
  void on_all(const std::function<void(Ranks&)>& body) {
    if (GetParam() == 1) {
      Ranks alone;
      return body(alone);
    }
    for (const std::string& error : on_ranks(GetParam(), body)) EXPECT_EQ(error, "");
  }
};

TEST_P(OnRanks, SumMaxAndBroadcast) {
  on_all([](Ranks& ranks) {
    at::Tensor tensor = at::full({3}, ranks.rank() + 1.0);
    ranks.sum(tensor);
    EXPECT_TRUE(at::equal(tensor, at::full({3}, ranks.size() * (ranks.size() + 1) / 2.0)));
    EXPECT_EQ(ranks.max(ranks.rank() == 0 ? 7 : -ranks.rank()), 7);
    at::Tensor numbers = at::full({2, 2}, ranks.rank(), at::kLong),
               weights = at::full({5}, ranks.rank() + 0.5);
    ranks.broadcast({numbers, weights});
    EXPECT_TRUE(at::equal(numbers, at::zeros({2, 2}, at::kLong)));
    EXPECT_TRUE(at::equal(weights, at::full({5}, 0.5)));
  });
}

TEST_P(OnRanks, GatherRowsOfAnyNumberAndTexts) {
  on_all([](Ranks& ranks) {
    const auto all = ranks.gather(at::full({ranks.rank(), 2}, ranks.rank() * 10, at::kFloat));
    ASSERT_EQ(std::ssize(all), ranks.size());
    for (int rank = 0; rank < ranks.size(); ++rank)
      EXPECT_TRUE(at::equal(all[rank], at::full({rank, 2}, rank * 10, at::kFloat))) << rank;
    const auto texts = ranks.gather(std::string(ranks.rank(), 'x'));
    for (int rank = 0; rank < ranks.size(); ++rank) EXPECT_EQ(texts[rank], std::string(rank, 'x'));
    EXPECT_EQ(ranks.gather(std::string()), std::vector<std::string>(ranks.size()));
  });
}

// Each rank uses two rows, of which one is another rank's too.
TEST_P(OnRanks, GradientsOfTablesAreMeansOfRows) {
  on_all([](Ranks& ranks) {
    at::Tensor table = at::ones({50, 3}).requires_grad_(true),
               other = at::ones({2}).requires_grad_(true);
    GradientSums sums(ranks, {other}, {table});
    for (int step = 0; step < 2; ++step) {
      const at::Tensor rows = at::tensor({7 + ranks.rank(), 8 + ranks.rank()});
      sums.last_backward((table.index_select(0, rows) * (ranks.rank() + 1.0)).sum() + other.sum());
      at::Tensor expected = at::zeros({50, 3});
      for (int rank = 0; rank < ranks.size(); ++rank)
        expected.narrow(0, 7 + rank, 2).add_((rank + 1.0) / ranks.size());
      EXPECT_TRUE(at::allclose(table.grad(), expected));
      table.mutable_grad().reset();
      other.mutable_grad().reset();
    }
  });
}

TEST_P(OnRanks, GradientsAreMeans) {
  on_all([](Ranks& ranks) {
    const auto leaf = [](double value) { return at::full({4}, value).requires_grad_(true); };
    at::Tensor a = leaf(1), b = leaf(2);
    GradientSums sums(ranks, {a, b});
    for (int step = 0; step < 3; ++step) {
      (a * (ranks.rank() + 1.0)).sum().backward();  // an earlier micro-batch: not sent yet
      sums.last_backward((a * b * (ranks.rank() + 1.0)).sum());
      const double mean = (ranks.size() + 1) / 2.0;
      EXPECT_TRUE(at::allclose(a.grad(), at::full({4}, 3 * mean)));
      EXPECT_TRUE(at::allclose(b.grad(), at::full({4}, mean)));
      a.mutable_grad().reset();
      b.mutable_grad().reset();
    }
  });
}

// Each rank computes a part of the examples, and all have all: the same bits as one process.
TEST_P(OnRanks, EvaluateEveryExampleOnce) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "model", {.independent_layers = 2});
  for (const int count : {1, 2, 5, 40}) {
    SCOPED_TRACE(count);
    const std::vector<Example> examples = tiny_examples(3, count);
    Predictor whole = Predictor::load(folder / "model", Precision::kFp32, DeviceKind::kCpu);
    const at::Tensor expected = whole.outputs(examples)->values;
    on_all([&](Ranks& ranks) {
      Predictor part = Predictor::load(folder / "model", Precision::kFp32, DeviceKind::kCpu);
      const auto outputs = part.outputs(examples, {.batch_size = 3, .ranks = &ranks});
      EXPECT_TRUE(at::equal(outputs->values, expected));
    });
  }
}

TEST_P(OnRanks, AStopOfOneStopsTheEvaluationOfAll) {
  const TemporaryFolder folder;
  write_checkpoint(folder / "model");
  const std::vector<Example> examples = tiny_examples(3, 20);
  on_all([&](Ranks& ranks) {
    Predictor part = Predictor::load(folder / "model", Precision::kFp32, DeviceKind::kCpu);
    EXPECT_FALSE(
        part.outputs(examples, {.should_stop = [&] { return ranks.is_first(); }, .ranks = &ranks}));
  });
}

INSTANTIATE_TEST_SUITE_P(All, OnRanks, testing::Values(1, 2, 3),
                         [](const auto& info) { return std::to_string(info.param); });

TEST(Ranks, AnErrorOfOneIsEverybodysAndPrintedOnce) {
  const auto errors = on_ranks(3, [](Ranks& ranks) {
    ranks.together([] {});
    try {
      ranks.together([&] {
        if (ranks.rank() == 1) throw UserError("a.tsv: no such file");
      });
      ADD_FAILURE() << "rank " << ranks.rank() << " went on";
    } catch (const SaidByAnotherRank&) {
      EXPECT_GT(ranks.rank(), 0);
      throw;
    }
  });
  EXPECT_THAT(errors, ElementsAre("rank 1: a.tsv: no such file", "a.tsv: no such file",
                                  "a.tsv: no such file"));
  EXPECT_THAT(on_ranks(2, [](Ranks& ranks) { ranks.together([] { throw UserError("same"); }); }),
              ElementsAre("same", "same"));
}

// It neither ends nor takes part: found by the number of times that it waited.
TEST(Ranks, ARankThatStaysAwayIsNamed) {
  std::atomic<bool> others_done = false;
  const auto errors = on_ranks(
      2,
      [&](Ranks& ranks) {
        if (ranks.rank() == 1) {
          while (!others_done) std::this_thread::sleep_for(std::chrono::milliseconds(20));
          throw std::runtime_error("was away");
        }
        try {
          ranks.max(0);
        } catch (const RankLost&) {
          others_done = true;
          throw;
        }
      },
      std::chrono::seconds(2));
  EXPECT_THAT(errors[0], HasSubstr("rank 0 of 2: rank 1 (pid "));
  EXPECT_THAT(errors[0], HasSubstr("did not answer for 2 s (distributed.timeout)"));
}

// An error that has nothing to do with the others stays what it is.
TEST(Ranks, AnErrorOfThisRankIsNotBlamedOnOthers) {
  const auto errors = on_ranks(2, [](Ranks& ranks) {
    EXPECT_THROW(ranks.wait([] { throw std::bad_alloc(); }), std::bad_alloc);
  });
  EXPECT_THAT(errors, ElementsAre("", ""));
}

TEST(Ranks, NobodyComes) {
  const RankPlace place{.rank = 1,
                        .size = 2,
                        .local_rank = 1,
                        .local_size = 2,
                        .address = "127.0.0.1",
                        .port = free_port()};
  EXPECT_THAT(error_of([&] { Ranks(place, std::chrono::seconds(1)); }),
              HasSubstr("rank 1 of 2: cannot meet the other ranks at 127.0.0.1:"));
}

}  // namespace
}  // namespace lait
