// What comes from a store equals what is computed, to the bit, at every P, and nothing stale or
// foreign is ever used.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "lait/predict/predictor.h"
#include "lait/predict/valued_outputs.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"

namespace lait {
namespace {

using testing::HasSubstr;

struct StoreCase {
  const char* name;
  Schedule schedule;
  Pooling pooling;
  const char* family = "bert";
  bool lexical_bias = false;
};

std::vector<StoreCase> store_cases() {
  using enum Scope;
  using enum Pooling;
  constexpr Updates kFirst = Updates::kFirst;
  std::vector<StoreCase> out{
      {"p0_cls_segments", split_schedule(0, 4), kClsSegments},
      {"p1_cls_segments", split_schedule(1, 4), kClsSegments},
      {"p2_cls_segments", split_schedule(2, 4), kClsSegments},
      {"p3_cls_segments", split_schedule(3, 4), kClsSegments},
      {"p4_cls_segments", split_schedule(4, 4), kClsSegments},
      {"p2_cls", split_schedule(2, 4), kCls},
      {"p3_cls", split_schedule(3, 4), kCls},
      {"p3_mean", split_schedule(3, 4), kMean},
      {"p4_mean", split_schedule(4, 4), kMean},
      {"p3_segments", split_schedule(3, 4), kSegments},
      {"p4_segments", split_schedule(4, 4), kSegments},
      {"groups", {{1, kSegment}, {1, kGroup}, {2, kExample}}, kClsSegments},
      {"groups_only", {{2, kSegment}, {2, kGroup}}, kSegments},
      {"one_sided_p0", {{4, kExample, kFirst}}, kCls},
      {"one_sided_p1", {{1, kSegment}, {3, kExample, kFirst}}, kClsSegments},
      {"one_sided_p3", {{3, kSegment}, {1, kExample, kFirst}}, kClsSegments},
      {"one_sided_after_joint",
       {{2, kSegment}, {1, kExample}, {1, kExample, kFirst}},
       kClsSegments},
      {"mpnet_p2", split_schedule(2, 4), kClsSegments, "mpnet"},
      {"mpnet_one_sided_p2", {{2, kSegment}, {2, kExample, kFirst}}, kClsSegments, "mpnet"},
      {"lexical_p2", split_schedule(2, 4), kClsSegments, "bert", true},
      {"lexical_p3_mean", split_schedule(3, 4), kMean, "bert", true},
      {"lexical_groups", {{1, kSegment}, {1, kGroup}, {2, kExample}}, kClsSegments, "bert", true},
      {"lexical_one_sided_p0", {{4, kExample, kFirst}}, kCls, "bert", true},
      {"lexical_one_sided_p2",
       {{2, kSegment}, {2, kExample, kFirst}},
       kClsSegments,
       "mpnet",
       true}};
  return out;
}

std::vector<ValuedExample> valued(SegmentValues& values, std::span<const Example> examples,
                                  const TokenizeOptions& options) {
  const auto segments = placed_segments(examples, options);
  const auto found = values.of(segments);
  std::vector<ValuedExample> out(examples.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    out[segments[s].example].segments.push_back(found[s]);
    out[segments[s].example].groups = examples[segments[s].example].groups;
  }
  return out;
}

class FromStore : public testing::TestWithParam<std::tuple<StoreCase, at::ScalarType>> {
 protected:
  const StoreCase& c() const { return std::get<0>(GetParam()); }

  SmallBert small_{{.layers = 4, .hidden = 128, .heads = 4, .family = c().family}};
  ModelSpec spec_ = [this] {
    ModelSpec spec = small_.spec(c().schedule, SegmentFormat::kStandalone, c().pooling);
    spec.lexical_bias = c().lexical_bias;
    return spec;
  }();
  Model model_ = small_.model(spec_, std::get<1>(GetParam()));
  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<IdTokenizer>(200);
  TokenizeOptions tokenizing_ = spec_.tokenize_options(small_.config(), *tokenizer_);
  std::vector<Example> examples_ = small_.random_examples(/*seed=*/17, 14);
  TemporaryFolder folder_;
};

TEST_P(FromStore, EqualsTheModelToTheBit) {
  at::NoGradGuard no_grad;
  const Dataset dataset = small_.dataset(spec_, examples_);
  std::vector<int64_t> all(examples_.size());
  std::iota(all.begin(), all.end(), 0);
  const at::Tensor expected =
      model_->forward(model_->to_batch(dataset, all, spec_.schedule), {}).values;
  const auto outputs = [&](SegmentValues& values, std::span<const Example> examples) {
    return joint_outputs(model_, values.plan(), tokenizing_.layout,
                         valued(values, examples, tokenizing_))
        .values;
  };
  SegmentValues alone(model_, tokenizer_, spec_.schedule);
  EXPECT_TRUE(at::equal(outputs(alone, examples_), expected)) << "without a store";
  const auto open = [&] {
    return StoreUse{.store = std::make_shared<SegmentStore>(
                        folder_.path(), StoreWriteOptions{.made_by = made_here(model_)})};
  };
  {
    SegmentValues some(model_, tokenizer_, spec_.schedule, open());
    EXPECT_TRUE(at::equal(outputs(some, std::span(examples_).first(5)), expected.narrow(0, 0, 5)));
    EXPECT_EQ(some.counts().found, 0);
    some.commit();
  }
  {
    SegmentValues half(model_, tokenizer_, spec_.schedule, open());
    EXPECT_TRUE(at::equal(outputs(half, examples_), expected)) << "some were stored";
    EXPECT_GT(half.counts().found, 0);
    EXPECT_GT(half.counts().computed, 0);
    half.commit();
  }
  SegmentValues stored(model_, tokenizer_, spec_.schedule, open());
  EXPECT_TRUE(at::equal(outputs(stored, examples_), expected)) << "all were stored";
  for (size_t e = 0; e < examples_.size(); ++e) {
    EXPECT_TRUE(
        at::equal(outputs(stored, {&examples_[e], 1})[0], expected[static_cast<int64_t>(e)]))
        << "example " << e << " alone";
  }
  EXPECT_EQ(stored.counts().computed, 0);
  EXPECT_TRUE(stored.other_makers().empty());
}

INSTANTIATE_TEST_SUITE_P(Schedules, FromStore,
                         testing::Combine(testing::ValuesIn(store_cases()),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == at::kFloat ? "_fp32" : "_bf16");
                         });

// T5: the decoder reads all rows, distances bias the scores, a sequence ends with one token.
class T5FromStore : public testing::TestWithParam<std::tuple<int64_t, HeadKind>> {};

TEST_P(T5FromStore, EqualsTheModelToTheBit) {
  at::NoGradGuard no_grad;
  const auto [p, head] = GetParam();
  const TemporaryFolder folder;
  const ModelSpec spec = t5_spec(split_schedule(p, 4), SegmentFormat::kStandalone, head);
  Model model = fresh_t5(folder / "m", t5_config(/*gated=*/true), spec, at::kBFloat16);
  const auto tokenizer = std::make_shared<T5IdTokenizer>(600);
  const TokenizeOptions tokenizing = spec.tokenize_options(model->config, *tokenizer);
  const std::vector<Example> examples = t5_examples(/*seed=*/5, 12);
  const Dataset dataset(examples, *tokenizer, tokenizing);
  const at::Tensor expected = run_model(model, dataset, spec.schedule)->values;
  for (int round = 0; round < 2; ++round) {
    SegmentValues values(model, tokenizer, spec.schedule,
                         {.store = std::make_shared<SegmentStore>(
                              folder / "store", StoreWriteOptions{.made_by = made_here(model)})});
    EXPECT_TRUE(
        at::equal(valued_outputs(model, values, examples, tokenizing)->outputs.values, expected))
        << "round " << round;
    EXPECT_EQ(values.counts().computed == 0, round == 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, T5FromStore,
                         testing::Combine(testing::Values(0, 2, 3, 4),
                                          testing::Values(HeadKind::kText, HeadKind::kClassifier)));

class StoreKeys : public testing::Test {
 protected:
  // The segments that a model finds of those that the first one stored.
  int64_t found(Model model, const Schedule& schedule, StoreUse use = {}) {
    use.store = std::make_shared<SegmentStore>(folder_.path(),
                                               StoreWriteOptions{.made_by = made_here(model)});
    SegmentValues values(std::move(model), tokenizer_, schedule, use);
    values.of(segments_);
    values.commit();
    other_makers_ = values.other_makers();
    return values.counts().found;
  }
  Model model(const Schedule& schedule, at::ScalarType dtype = at::kFloat) const {
    return small_.model(small_.spec(schedule, SegmentFormat::kStandalone, Pooling::kClsSegments),
                        dtype);
  }
  // With other weights in the parameter of that name.
  Model changed(const Schedule& schedule, const std::string& name) const {
    Model out = model(schedule);
    const at::NoGradGuard no_grad;
    bool is_there = false;
    for (const ModelParameter& parameter : out->parameter_list()) {
      if (parameter.name != name) continue;
      is_there = true;
      parameter.tensor.view(-1)[0].add_(0.5);
    }
    EXPECT_TRUE(is_there) << name;
    out->refresh_shadows();
    return out;
  }

  const SmallBert small_;
  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<IdTokenizer>(200);
  // Two firsts and three others.
  std::vector<PlacedSegment> segments_{
      {"5 6 7", true}, {"8 9", true}, {"10", false}, {"11 12", false}, {"5 6 7", false}};
  const Schedule p2_ = split_schedule(2, 4);
  const Schedule one_sided_{{2, Scope::kSegment}, {2, Scope::kExample, Updates::kFirst}};
  std::vector<std::string> other_makers_;
  TemporaryFolder folder_;
};

TEST_F(StoreKeys, StatesAreSharedByModelsWithTheSameLowerLayers) {
  EXPECT_EQ(found(model(p2_), p2_), 0);
  // "5 6 7" has one value in either place.
  EXPECT_EQ(found(model(p2_), p2_), 4);
  EXPECT_EQ(found(changed(p2_, "bert.encoder.layer.2.output.dense.weight"), p2_), 4);
  EXPECT_EQ(found(changed(p2_, "bert.encoder.layer.3.attention.self.qkv.weight"), p2_), 4);
  EXPECT_EQ(found(changed(p2_, "classifier.weight"), p2_), 4);
  for (const char* name :
       {"bert.encoder.layer.1.output.dense.weight", "bert.encoder.layer.0.output.LayerNorm.bias",
        "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight"})
    EXPECT_EQ(found(changed(p2_, name), p2_), 0) << name;
  EXPECT_EQ(found(model(p2_), split_schedule(1, 4)), 0) << "another P";
  EXPECT_EQ(found(model(p2_, at::kBFloat16), p2_), 0) << "another type";
}

TEST_F(StoreKeys, KeysAndValuesBelongToTheJointLayersToo) {
  EXPECT_EQ(found(model(one_sided_), one_sided_), 0);
  EXPECT_EQ(found(model(one_sided_), one_sided_), 5) << "a first segment's value is another";
  EXPECT_EQ(
      found(changed(one_sided_, "bert.encoder.layer.3.attention.self.qkv.weight"), one_sided_), 2)
      << "the states of first segments only";
  EXPECT_EQ(found(changed(one_sided_, "classifier.weight"), one_sided_), 5);
  EXPECT_EQ(found(model(p2_), p2_), 2) << "states of an ordinary schedule are the same";
}

// Its numbers are added to scores. But its models read tokens, which the others' values lack.
TEST_F(StoreKeys, ALexicalBiasIsNoPartOfAValue) {
  ModelSpec spec = small_.spec(one_sided_, SegmentFormat::kStandalone, Pooling::kClsSegments);
  spec.lexical_bias = true;
  Model lexical = small_.model(spec, at::kFloat), plain = model(one_sided_);
  EXPECT_EQ(found(plain, one_sided_), 0);
  EXPECT_EQ(found(lexical, one_sided_), 0);
  EXPECT_EQ(found(lexical, one_sided_), 5);
  {
    const at::NoGradGuard no_grad;
    for (const at::Tensor& bias : lexical->lexical_biases) bias.add_(1);
  }
  EXPECT_EQ(found(lexical, one_sided_), 5);
  EXPECT_EQ(found(plain, one_sided_), 5);
}

TEST_F(StoreKeys, WhatAnotherMachineComputedIsToldOrLeft) {
  Model same = model(p2_);
  {
    auto store = std::make_shared<SegmentStore>(folder_.path(),
                                                StoreWriteOptions{.made_by = "another machine"});
    SegmentValues values(same, tokenizer_, p2_, {.store = store});
    values.of(segments_);
    values.commit();
  }
  EXPECT_EQ(found(same, p2_), 4);
  EXPECT_THAT(other_makers_, testing::ElementsAre("another machine"));
  EXPECT_EQ(found(same, p2_, {.exact = true}), 0);
  EXPECT_TRUE(other_makers_.empty());
  // They are stored beside the others, and preferred.
  EXPECT_EQ(found(same, p2_, {.exact = true}), 4);
  EXPECT_EQ(found(same, p2_), 4);
  EXPECT_TRUE(other_makers_.empty());
}

TEST_F(StoreKeys, SettingsOfTrainingDoNotMatter) {
  EXPECT_EQ(found(model(p2_), p2_), 0);
  const SmallBert dropped({.dropout = 0.3});
  const ModelSpec spec = dropped.spec(p2_, SegmentFormat::kStandalone, Pooling::kClsSegments);
  EXPECT_EQ(found(dropped.model(spec, at::kFloat), p2_), 4);
}

TEST_F(StoreKeys, ReadOnlyUseAddsNothing) {
  EXPECT_EQ(found(model(p2_), p2_, {.read_only = true}), 0);
  EXPECT_EQ(found(model(p2_), p2_), 0);
}

// Values do not say how many threads computed them: rows do not depend on that.
TEST_F(StoreKeys, ValuesHaveTheSameBitsWithAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  std::mt19937 random(3);
  std::vector<PlacedSegment> segments;
  for (int i = 0; i < 40; ++i)
    segments.push_back({small_.random_text(random, 1 + random() % 60), i % 2 == 0});
  // A small one, and one of BERT base's widths.
  const SmallBert shapes[] = {SmallBert(),
                              SmallBert({.hidden = 768, .heads = 12, .intermediate = 3072})};
  for (const SmallBert& shape : shapes) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const Model model = shape.model(
          shape.spec(one_sided_, SegmentFormat::kStandalone, Pooling::kClsSegments), dtype);
      std::vector<std::shared_ptr<const SegmentValue>> first;
      for (const int some : {1, 2, 3, 5, 8}) {
        at::set_num_threads(some);
        SegmentValues values(model, tokenizer_, one_sided_);
        const auto made = values.of(segments);
        if (first.empty()) first = made;
        for (size_t s = 0; s < made.size(); ++s) {
          EXPECT_TRUE(at::equal(made[s]->body, first[s]->body))
              << some << " threads, segment " << s;
          EXPECT_TRUE(at::equal(made[s]->mean, first[s]->mean))
              << some << " threads, segment " << s;
        }
      }
    }
  }
  at::set_num_threads(threads);
}

TEST_F(StoreKeys, DamagedValuesAreComputedAgain) {
  EXPECT_EQ(found(model(p2_), p2_), 0);
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(-70, std::ios::end);
    bytes.put('\x55');
  }
  EXPECT_EQ(found(model(p2_), p2_), 3);
}

TEST(PairModels, HaveNoSegmentsOfTheirOwn) {
  const SmallBert small;
  const ModelSpec spec = small.spec(0, SegmentFormat::kPair, Pooling::kCls);
  EXPECT_THAT(error_of([&] {
                SegmentValues(small.model(spec, at::kFloat), std::make_shared<IdTokenizer>(200),
                              spec.schedule);
              }),
              HasSubstr("need segments that are computed apart"));
}

}  // namespace
}  // namespace lait
