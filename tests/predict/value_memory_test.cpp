// The values that were used last stay in memory, and predictions from there are the same.
#include "lait/predict/value_memory.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <random>

#include "lait/predict/predictor.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {
namespace {

std::shared_ptr<const SegmentValue> value_of(int64_t floats) {
  return std::make_shared<const SegmentValue>(
      SegmentValue{.rows = 1, .body = at::zeros({1, 1, floats})});
}

TEST(ValueMemory, DropsWhatWasUsedLongestAgo) {
  ValueMemory memory(5000);
  const auto key = [](uint64_t i) { return Digest{i, i}; };
  memory.add(key(1), value_of(256));
  const int64_t each = memory.bytes();
  ASSERT_GT(each, 1024);
  memory.add(key(2), value_of(256));
  memory.add(key(3), value_of(256));
  EXPECT_NE(memory.find(key(1)), nullptr);
  memory.add(key(4), value_of(256));
  EXPECT_EQ(memory.find(key(2)), nullptr);
  EXPECT_NE(memory.find(key(1)), nullptr);
  EXPECT_NE(memory.find(key(4)), nullptr);
  EXPECT_EQ(memory.bytes(), 3 * each);
  memory.add(key(5), value_of(10000));  // larger than the whole
  EXPECT_EQ(memory.find(key(5)), nullptr);
  EXPECT_EQ(memory.bytes(), 3 * each);
}

TEST(ValueMemory, AnySizeGivesTheSamePredictions) {
  const TemporaryFolder folder;
  for (const int64_t p : {0, 2, 3, 4}) {
    const auto dir = write_checkpoint(folder / "c", {.independent_layers = p});
    Predictor plain = Predictor::load(dir, Precision::kFp32, DeviceKind::kCpu);
    for (const int64_t bytes : {0, 3000, 30000, 10000000}) {
      Predictor model = Predictor::load(dir, Precision::kFp32, DeviceKind::kCpu);
      model.use_store({.memory_bytes = bytes});
      std::mt19937 random(7);
      for (int round = 0; round < 20; ++round) {
        std::vector<Example> examples(1 + random() % 8);
        // The same text as first and as second segment, too.
        for (Example& example : examples)
          example.segments = {tiny_word(random() % 6), tiny_word(random() % 9)};
        EXPECT_TRUE(at::equal(model.valued_outputs(examples)->outputs.values,
                              plain.outputs(examples)->values))
            << "P " << p << ", " << bytes << " bytes, round " << round;
        EXPECT_LE(model.values()->memory_bytes(), bytes);
      }
      if (bytes == 10000000) {
        EXPECT_LE(model.values()->counts().computed, 15);
      }
    }
  }
}

// Of values by where they came from; what could not be done does not count.
TEST(SegmentValueCounts, AreOfCallsThatHadNoError) {
  const TemporaryFolder folder;
  const auto dir = write_checkpoint(
      folder / "c", {.independent_layers = 2, .max_tokens = 6, .on_overflow = OnOverflow::kError});
  Predictor model = Predictor::load(dir, Precision::kFp32, DeviceKind::kCpu);
  model.use_store({.store = std::make_shared<SegmentStore>(
                       folder / "store", StoreWriteOptions{.made_by = made_here(model.model())}),
                   .memory_bytes = 1 << 20});
  SegmentValues& values = *model.values();
  std::vector<PlacedSegment> segments{{.text = "am", .is_first = true, .is_stored = false},
                                      {.text = "bn"}};
  values.of(segments);
  values.commit();
  EXPECT_EQ(values.counts().computed, 2);
  segments.push_back({.text = "am bn co dp eq fr"});
  EXPECT_THROW(values.of(segments), TooLong);
  EXPECT_EQ(values.counts().found, 0);
  EXPECT_EQ(values.counts().found_in_memory, 0);
  segments.pop_back();
  values.of(segments);
  EXPECT_EQ(values.counts().found, 2);
  EXPECT_EQ(values.counts().found_in_memory, 2);
  EXPECT_EQ(SegmentStore(folder / "store").num_records(), 1u);
}

}  // namespace
}  // namespace lait
