// A checkpoint's predictions through a store: truncation, batches, and any sequence of uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/cache/upkeep.h"
#include "lait/predict/predictor.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {
namespace {

using testing::HasSubstr;

class PredictorStore : public testing::Test {
 protected:
  Predictor predictor(const TinyOptions& options, const std::string& name = "c") {
    return Predictor::load(write_checkpoint(folder_ / name, options), Precision::kFp32,
                           DeviceKind::kCpu);
  }
  StoreUse store(Predictor& predictor) const {
    return {.store = std::make_shared<SegmentStore>(
                folder_ / "store", StoreWriteOptions{.made_by = made_here(predictor.model())})};
  }
  TemporaryFolder folder_;
};

TEST_F(PredictorStore, TruncationIsKnownWithoutTokenizing) {
  Predictor model = predictor({.independent_layers = 2, .max_tokens = 6});
  model.use_store(store(model));
  const std::vector<Example> examples{{.segments = {"am bn co dp am bn", "co"}},
                                      {.segments = {"am", "bn co dp am bn co"}},
                                      {.segments = {"am", "co"}}};
  for (int round = 0; round < 2; ++round) {
    const auto got = model.valued_outputs(examples);
    EXPECT_THAT(got->truncated[0], testing::ElementsAre(0));
    EXPECT_THAT(got->truncated[1], testing::ElementsAre(1));
    EXPECT_THAT(got->truncated[2], testing::IsEmpty());
    EXPECT_TRUE(at::equal(got->outputs.values, model.outputs(examples)->values));
  }
  EXPECT_EQ(model.values()->counts().found, 4);
  // A model with the same weights that forbids truncation does not take the cut values.
  Predictor strict = predictor(
      {.independent_layers = 2, .max_tokens = 6, .on_overflow = OnOverflow::kError}, "strict");
  strict.use_store(store(strict));
  EXPECT_THAT(error_of([&] { strict.valued_outputs(examples); }), HasSubstr("example 1"));
  EXPECT_TRUE(at::equal(strict.valued_outputs(std::span(examples).last(1))->outputs.values,
                        model.outputs(std::span(examples).last(1))->values));
}

TEST_F(PredictorStore, BatchesAndNumbersOfExamplesChangeNothing) {
  Predictor model = predictor({.independent_layers = 3});
  model.use_store(store(model));
  std::vector<Example> examples;
  for (uint32_t i = 0; i < 1500; ++i)
    examples.push_back(
        {.segments = {tiny_word(i % 7), tiny_word(i % 144) + " " + tiny_word(i % 5)}});
  EXPECT_TRUE(
      at::equal(model.valued_outputs(examples)->outputs.values, model.outputs(examples)->values));
  EXPECT_EQ(model.valued_outputs({})->outputs.values.numel(), 0);
}

// Any sequence of predictions, new processes, prunes and kills gives the answers of a model without
// a store.
TEST_F(PredictorStore, AnySequenceOfUsesGivesTheAnswersWithoutAStore) {
  for (uint32_t seed = 0; seed < 6; ++seed) {
    std::mt19937 random(seed);
    const int64_t p = 1 + random() % 4;
    Predictor plain = predictor({.independent_layers = p}, "plain");
    std::optional<Predictor> cached;
    for (int step = 0; step < 30; ++step) {
      if (!cached || random() % 5 == 0) {
        cached.emplace(predictor({.independent_layers = p}, "cached"));
        cached->use_store(store(*cached));
      }
      if (random() % 6 == 0) prune_store(folder_ / "store", random() % 20000);
      if (random() % 8 == 0) {  // what a killed process leaves
        cached.reset();
        for (const auto& file : std::filesystem::directory_iterator(folder_ / "store")) {
          std::filesystem::resize_file(file.path(),
                                       std::filesystem::file_size(file.path()) * 2 / 3);
          break;
        }
        continue;
      }
      std::vector<Example> examples(1 + random() % 5);
      for (Example& example : examples)
        example.segments = {tiny_word(random() % 6), tiny_word(random() % 12) + " am"};
      EXPECT_TRUE(at::equal(cached->valued_outputs(examples)->outputs.values,
                            plain.outputs(examples)->values))
          << "seed " << seed << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace lait
