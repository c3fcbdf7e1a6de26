// The laws of packed, segment-limited computation in eval mode (CPU, fp32 and bf16), on random
// BERTs of MiniLM's width. In the independent layers a segment's states depend on that segment
// alone; a row has the same bits in every batch; sharing, and the choice of rows that are read,
// change nothing. The tests compare bits; there is no tolerance.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "tests/model/small_bert.h"

namespace lait {
namespace {

constexpr SmallBertOptions kShape = {
    .layers = 4, .hidden = 384, .heads = 12, .intermediate = 1536, .vocab = 500, .positions = 256};

struct LawCase {
  const char* name;
  Schedule schedule;
  SegmentFormat format;
  Pooling pooling;
  bool lexical_bias = false;
};

std::vector<LawCase> law_cases() {
  using enum Scope;
  using enum Pooling;
  constexpr Updates kFirst = Updates::kFirst;
  const auto split = [](int64_t p) { return split_schedule(p, kShape.layers); };
  constexpr SegmentFormat kAlone = SegmentFormat::kStandalone, kTogether = SegmentFormat::kPair;
  return {{"pair_cls", split(0), kTogether, kCls},
          {"pair_cls_segments", split(0), kTogether, kClsSegments},
          {"pair_mean", split(0), kTogether, kMean},
          {"p0_cls", split(0), kAlone, kCls},
          {"p0_segments", split(0), kAlone, kSegments},
          {"p2_cls_segments", split(2), kAlone, kClsSegments},
          {"p2_mean", split(2), kAlone, kMean},
          {"p3_cls_segments", split(3), kAlone, kClsSegments},  // the last layer joins
          {"p3_cls", split(3), kAlone, kCls},
          {"p4_segments", split(4), kAlone, kSegments},
          {"p4_mean", split(4), kAlone, kMean},
          {"groups", {{1, kSegment}, {1, kGroup}, {2, kExample}}, kAlone, kClsSegments},
          {"groups_last_layer_joins", {{2, kSegment}, {1, kGroup}, {1, kExample}}, kAlone, kCls},
          {"groups_only", {{2, kSegment}, {2, kGroup}}, kAlone, kSegments},
          {"one_sided", {{2, kSegment}, {2, kExample, kFirst}}, kAlone, kClsSegments},
          {"one_sided_cls", {{4, kExample, kFirst}}, kAlone, kCls},
          {"one_sided_last_layer", {{3, kSegment}, {1, kExample, kFirst}}, kAlone, kClsSegments},
          {"one_sided_after_groups",
           {{1, kSegment}, {1, kGroup}, {2, kExample, kFirst}},
           kAlone,
           kClsSegments},
          {"one_sided_after_joint",
           {{1, kSegment}, {1, kExample}, {2, kExample, kFirst}},
           kAlone,
           kClsSegments},
          {"lexical_p0_cls", split(0), kAlone, kCls, true},
          {"lexical_p2_cls_segments", split(2), kAlone, kClsSegments, true},
          {"lexical_p3_segments", split(3), kAlone, kSegments, true},
          {"lexical_groups", {{1, kSegment}, {1, kGroup}, {2, kExample}}, kAlone, kMean, true},
          {"lexical_one_sided", {{2, kSegment}, {2, kExample, kFirst}}, kAlone, kClsSegments, true},
          {"lexical_one_sided_after_groups",
           {{1, kSegment}, {1, kGroup}, {2, kExample, kFirst}},
           kAlone,
           kClsSegments,
           true}};
}

// (examples in `indices`, outputs)
at::Tensor logits(Model& model, const Dataset& dataset, const std::vector<int64_t>& indices,
                  const Packing& packing = {}) {
  return model->forward(batch_of(model, dataset, indices, packing), {}).values;
}

// The final states of the rows of one example, in the order of its segments.
at::Tensor rows_of(Model& model, const Dataset& dataset, const std::vector<int64_t>& indices,
                   size_t which) {
  const at::Tensor rows = example_rows(model, whole_batch(model, dataset, indices));
  int64_t begin = 0;
  for (size_t i = 0; i < which; ++i) begin += dataset.example_length(indices[i]);
  return rows.narrow(0, begin, dataset.example_length(indices[which]));
}

std::vector<int64_t> iota(int64_t size) {
  std::vector<int64_t> out(size);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

#define EXPECT_SAME_BITS(a, b) \
  EXPECT_TRUE(at::equal(a, b)) << "largest difference " << difference(a, b) << " "

class LawsTest : public testing::TestWithParam<std::tuple<LawCase, at::ScalarType>> {
 protected:
  const LawCase& law() const { return std::get<0>(GetParam()); }
  ModelSpec spec() const {
    ModelSpec spec = small_.spec(law().schedule, law().format, law().pooling);
    spec.lexical_bias = law().lexical_bias;
    return spec;
  }
  Model model() const { return small_.model(spec(), std::get<1>(GetParam())); }

  at::NoGradGuard no_grad_;
  SmallBert small_{kShape};
};

TEST_P(LawsTest, BatchCompositionAndOrderChangeNoBit) {
  constexpr int64_t kExamples = 12;
  Model model = this->model();
  constexpr uint32_t seed = 1;
  const Dataset dataset = small_.dataset(spec(), small_.random_examples(seed, kExamples));
  const at::Tensor whole = logits(model, dataset, iota(kExamples));
  ASSERT_TRUE(at::isfinite(whole).all().item<bool>());
  ASSERT_GT(difference(whole, whole.roll(1, 0)), 1e-3) << "the examples must differ";
  for (int64_t i = 0; i < kExamples; ++i) {
    EXPECT_SAME_BITS(logits(model, dataset, {i})[0], whole[i])
        << "example " << i << " alone, seed " << seed;
  }
  std::mt19937 random(seed);
  for (int round = 0; round < 3; ++round) {
    std::vector<int64_t> indices = iota(kExamples);
    std::ranges::shuffle(indices, random);
    indices.resize(1 + random() % kExamples);
    indices.push_back(indices.front());  // twice in a batch
    const at::Tensor some = logits(model, dataset, indices);
    EXPECT_SAME_BITS(some, whole.index_select(0, at::tensor(indices)))
        << "batch " << testing::PrintToString(indices) << ", seed " << seed;
  }
}

TEST_P(LawsTest, SharingSegmentsChangesNoBit) {
  constexpr int64_t kExamples = 10;
  Model model = this->model();
  const Dataset dataset = small_.dataset(spec(), small_.random_examples(/*seed=*/5, kExamples));
  EXPECT_SAME_BITS(logits(model, dataset, iota(kExamples), {.share = true}),
                   logits(model, dataset, iota(kExamples), {.share = false}));
  if (law().format == SegmentFormat::kPair) return;
  const auto units = [&](bool share) {
    return batch_of(model, dataset, iota(kExamples), {.share = share}).packed.levels[0].num_units;
  };
  EXPECT_LT(units(true), units(false)) << "the data must share segments";
}

TEST_P(LawsTest, ReadingFewerRowsChangesNoBit) {
  constexpr int64_t kExamples = 10;
  Model model = this->model();
  for (const uint32_t seed : {7u, 8u}) {
    const Dataset dataset = small_.dataset(spec(), small_.random_examples(seed, kExamples));
    EXPECT_SAME_BITS(logits(model, dataset, iota(kExamples), {.prune = true}),
                     logits(model, dataset, iota(kExamples), {.prune = false}))
        << "seed " << seed;
  }
  const Dataset dataset = small_.dataset(spec(), small_.random_examples(/*seed=*/7, kExamples));
  const DeviceBatch batch = batch_of(model, dataset, iota(kExamples));
  const bool reads_few =
      law().pooling == Pooling::kCls ||
      (law().pooling == Pooling::kClsSegments && independent_layers(law().schedule) > 0);
  EXPECT_EQ(batch.packed.read_rows.has_value(), reads_few);
}

INSTANTIATE_TEST_SUITE_P(Schedules, LawsTest,
                         testing::Combine(testing::ValuesIn(law_cases()),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == at::kFloat ? "_fp32" : "_bf16");
                         });

class SegmentLawsTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  // A model of the first P layers only, all of them independent: its final states are the states
  // after layer P.
  Model first_layers(int64_t p) const {
    SmallBertOptions shape = kShape;
    shape.layers = p;
    return SmallBert(shape).model(
        small_.spec(Schedule{{p, Scope::kSegment}}, SegmentFormat::kStandalone, Pooling::kMean),
        GetParam());
  }

  at::NoGradGuard no_grad_;
  SmallBert small_{kShape};
};

TEST_P(SegmentLawsTest, ChangingOneSegmentLeavesTheOthersBits) {
  std::mt19937 random(11);
  for (int64_t p = 1; p <= kShape.layers; ++p) {
    Model model = first_layers(p);
    for (int round = 0; round < 3; ++round) {
      std::vector<Example> examples = small_.random_examples(/*seed=*/20 + round, 6);
      const size_t which = random() % examples.size(),
                   changed = random() % examples[which].segments.size();
      const Dataset before = small_.dataset(model->spec, examples);
      examples[which].segments[changed] = small_.random_text(random, 1 + random() % 60);
      const Dataset after = small_.dataset(model->spec, examples);
      const at::Tensor old_rows = rows_of(model, before, iota(6), which),
                       new_rows = rows_of(model, after, iota(6), which);
      int64_t old_begin = 0, new_begin = 0;
      for (size_t s = 0; s < examples[which].segments.size(); ++s) {
        const int64_t old_size = before.length(before.example(which).sequences[s]),
                      new_size = after.length(after.example(which).sequences[s]);
        if (s != changed) {
          EXPECT_SAME_BITS(old_rows.narrow(0, old_begin, old_size),
                           new_rows.narrow(0, new_begin, new_size))
              << "P " << p << ", segment " << s;
        }
        old_begin += old_size;
        new_begin += new_size;
      }
    }
  }
}

// In a joint layer the other segments do matter, so the law above does not hold trivially.
TEST_P(SegmentLawsTest, JointLayersSeeTheOtherSegments) {
  Model model =
      small_.model(small_.spec(3, SegmentFormat::kStandalone, Pooling::kMean), GetParam());
  std::mt19937 random(12);
  std::vector<Example> examples(1);
  examples[0].segments = {small_.random_text(random, 20), small_.random_text(random, 20)};
  const at::Tensor before =
      rows_of(model, small_.dataset(model->spec, examples), {0}, 0).narrow(0, 0, 22);
  examples[0].segments[1] = small_.random_text(random, 20);
  const at::Tensor after =
      rows_of(model, small_.dataset(model->spec, examples), {0}, 0).narrow(0, 0, 22);
  EXPECT_GT(difference(before, after), 1e-3);
}

TEST_P(SegmentLawsTest, AllLayersIndependentEqualsEachSegmentAlone) {
  Model model = first_layers(kShape.layers);
  const std::vector<Example> examples = small_.random_examples(/*seed=*/31, 8);
  const Dataset together = small_.dataset(model->spec, examples);
  for (size_t e = 0; e < examples.size(); ++e) {
    std::vector<at::Tensor> alone;
    for (const std::string& segment : examples[e].segments) {
      std::vector<Example> one(1);
      one[0].segments = {segment};
      alone.push_back(rows_of(model, small_.dataset(model->spec, one), {0}, 0));
    }
    EXPECT_SAME_BITS(rows_of(model, together, iota(8), e), at::cat(alone)) << "example " << e;
  }
}

// The states that enter the first joint layer, which the cls_segments means read, depend on the
// segment alone.
TEST_P(SegmentLawsTest, MeansBeforeTheJoinAreTheSegmentsOwn) {
  Model model =
      small_.model(small_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments), GetParam());
  Model alone = first_layers(2);
  const Dataset dataset = small_.dataset(model->spec, small_.random_examples(/*seed=*/41, 6));
  const DeviceBatch batch = batch_of(model, dataset, iota(6));
  const at::Tensor means = model->encoder->forward(batch, {}).segment_means;
  const at::Tensor first = gather(means, batch, batch.packed.head.first_segment);
  for (size_t e = 0; e < 6; ++e) {
    const at::Tensor rows = rows_of(alone, dataset, iota(6), e)
                                .narrow(0, 0, dataset.length(dataset.example(e).sequences[0]));
    EXPECT_LE(difference(first[e], rows.to(at::kFloat).mean(0)), 1e-5) << "example " << e;
  }
}

// Also if the threads' shares of a product's rows differ.
TEST_P(SegmentLawsTest, BatchCompositionChangesNoBitWhateverTheThreads) {
  const int threads = at::get_num_threads();
  Model model =
      small_.model(small_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments), GetParam());
  const Dataset dataset = small_.dataset(model->spec, small_.random_examples(/*seed=*/61, 10));
  for (const int some : {1, 3, 5, 7}) {
    at::set_num_threads(some);
    const at::Tensor whole = logits(model, dataset, iota(10));
    for (int64_t i = 0; i < 10; ++i) {
      EXPECT_SAME_BITS(logits(model, dataset, {i})[0], whole[i])
          << "example " << i << " alone, " << some << " threads";
    }
  }
  at::set_num_threads(threads);
}

// As a Predictor's model reads its weights.
TEST_P(SegmentLawsTest, BlockedWeightsChangeNoBitAndEndWithARefresh) {
  const auto model = [&] {
    return small_.model(small_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments),
                        GetParam());
  };
  Model plain = model(), blocked = model();
  blocked->keep_blocked();
  const Dataset dataset = small_.dataset(plain->spec, small_.random_examples(/*seed=*/67, 10));
  const auto expect_same = [&](const char* when) {
    EXPECT_SAME_BITS(logits(blocked, dataset, iota(10)), logits(plain, dataset, iota(10))) << when;
    EXPECT_SAME_BITS(logits(blocked, dataset, {3}), logits(plain, dataset, {3})) << when;
  };
  expect_same("with the first weights");
  for (Model* changed : {&plain, &blocked}) {
    for (at::Tensor& parameter : (*changed)->parameters()) parameter.mul_(1.25);
    (*changed)->refresh_shadows();
  }
  expect_same("after a change of the weights");
}

// One group with all segments equals the example: the scopes are one mechanism.
TEST_P(SegmentLawsTest, OneGroupEqualsTheExample) {
  std::vector<Example> examples = small_.random_examples(/*seed=*/51, 8);
  for (Example& example : examples) std::ranges::fill(example.groups, 0);
  Model by_group = small_.model(small_.spec({{1, Scope::kSegment}, {3, Scope::kGroup}},
                                            SegmentFormat::kStandalone, Pooling::kMean),
                                GetParam());
  Model by_example = small_.model(small_.spec({{1, Scope::kSegment}, {3, Scope::kExample}},
                                              SegmentFormat::kStandalone, Pooling::kMean),
                                  GetParam());
  const Dataset dataset = small_.dataset(by_group->spec, examples);
  EXPECT_SAME_BITS(logits(by_group, dataset, iota(8)), logits(by_example, dataset, iota(8)));
}

// Where the head reads the example's first row only, and the last layer alone is joint, nothing but
// that row is computed there: a one-sided stage is then the same.
TEST_P(SegmentLawsTest, AOneSidedLastLayerEqualsAJointOne) {
  const Schedule one_sided{{3, Scope::kSegment}, {1, Scope::kExample, Updates::kFirst}};
  Model joint = small_.model(small_.spec(3, SegmentFormat::kStandalone, Pooling::kCls), GetParam()),
        sided = small_.model(small_.spec(one_sided, SegmentFormat::kStandalone, Pooling::kCls),
                             GetParam());
  const Dataset dataset = small_.dataset(joint->spec, small_.random_examples(/*seed=*/71, 8));
  EXPECT_SAME_BITS(logits(joint, dataset, iota(8)), logits(sided, dataset, iota(8)));
}

// The other segments' keys and values are functions of these segments alone, in every layer.
TEST_P(SegmentLawsTest, AOneSidedStageLeavesTheOtherSegmentsAlone) {
  const Schedule schedule{{1, Scope::kSegment}, {3, Scope::kExample, Updates::kFirst}};
  Model model =
      small_.model(small_.spec(schedule, SegmentFormat::kStandalone, Pooling::kCls), GetParam());
  std::mt19937 random(81);
  std::vector<Example> examples(2);
  const std::string passage = small_.random_text(random, 30);
  for (Example& example : examples) example.segments = {small_.random_text(random, 9), passage};
  const Dataset dataset = small_.dataset(model->spec, examples);
  const DeviceBatch batch = batch_of(model, dataset, iota(2));
  EXPECT_EQ(batch.packed.levels.back().live_rows, 2 * 11);
  EXPECT_EQ(batch.packed.levels.back().kept->live_rows, 32) << "of both examples once";
  const at::Tensor together = logits(model, dataset, iota(2));
  for (int64_t i = 0; i < 2; ++i)
    EXPECT_SAME_BITS(logits(model, dataset, {i})[0], together[i]) << "example " << i;
  EXPECT_GT(difference(together[0], together[1]), 1e-3);
  // It does read them.
  examples[0].segments[1] = small_.random_text(random, 30);
  EXPECT_GT(difference(logits(model, small_.dataset(model->spec, examples), {0})[0], together[0]),
            1e-3);
}

INSTANTIATE_TEST_SUITE_P(DTypes, SegmentLawsTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) {
                           return info.param == at::kFloat ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace lait
