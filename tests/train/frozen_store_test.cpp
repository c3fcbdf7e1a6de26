// Training whose frozen part comes from a store equals training that computes it, to the bit; what
// is stored is computed once, under the keys of prediction.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "lait/base/error.h"
#include "lait/predict/frozen_plan.h"
#include "lait/predict/predictor.h"
#include "lait/predict/segment_values.h"
#include "lait/predict/sequence_values.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"
#include "train/train_step.h"

namespace lait {
namespace {

using testing::HasSubstr;

constexpr int64_t kLayers = 4;
constexpr Updates kFirst = Updates::kFirst;

StoreUse open(const Model& model, const std::filesystem::path& dir) {
  return {.store =
              std::make_shared<SegmentStore>(dir, StoreWriteOptions{.made_by = made_here(model)})};
}

struct FrozenCase {
  const char* name;
  Schedule schedule;
  Pooling pooling = Pooling::kClsSegments;
  NameList freeze = {"independent"};
  const char* family = "bert";
  bool share = true, recompute = false;
};

std::vector<FrozenCase> frozen_cases() {
  using enum Scope;
  using enum Pooling;
  const NameList kAll{"embeddings", "layers 0-3"};
  return {
      {"p1", split_schedule(1, 4)},
      {"p2", split_schedule(2, 4)},
      {"p2_cls", split_schedule(2, 4), kCls},
      {"p2_segments", split_schedule(2, 4), kSegments},
      {"p3_mean", split_schedule(3, 4), kMean},
      {"p3", split_schedule(3, 4)},
      {"p4", split_schedule(4, 4)},
      {"p4_mean", split_schedule(4, 4), kMean},
      {"more_is_frozen", split_schedule(1, 4), kClsSegments, {"independent", "layer 2"}},
      {"all_is_frozen", split_schedule(2, 4), kClsSegments, kAll},
      {"all_is_frozen_p3", split_schedule(3, 4), kClsSegments, kAll},
      {"groups", {{1, kSegment}, {1, kGroup}, {2, kExample}}},
      {"groups_are_trained",
       {{1, kSegment}, {1, kGroup}, {2, kExample}},
       kClsSegments,
       {"embeddings", "layer 0"}},
      {"one_sided_p1", {{1, kSegment}, {3, kExample, kFirst}}},
      {"one_sided_p3", {{3, kSegment}, {1, kExample, kFirst}}},
      {"one_sided_all_is_frozen", {{1, kSegment}, {3, kExample, kFirst}}, kClsSegments, kAll},
      {"one_sided_after_joint", {{2, kSegment}, {1, kExample}, {1, kExample, kFirst}}},
      {"mpnet_p2", split_schedule(2, 4), kClsSegments, {"independent"}, "mpnet"},
      {"mpnet_one_sided",
       {{2, kSegment}, {2, kExample, kFirst}},
       kClsSegments,
       {"independent"},
       "mpnet"},
      {"unshared", split_schedule(2, 4), kClsSegments, {"independent"}, "bert", false},
      {"unshared_all_is_frozen", split_schedule(3, 4), kClsSegments, kAll, "bert", false},
      {"recomputed", split_schedule(2, 4), kClsSegments, {"independent"}, "bert", true, true},
      {"recomputed_all_is_frozen",
       {{1, kSegment}, {3, kExample, kFirst}},
       kClsSegments,
       kAll,
       "bert",
       true,
       true},
  };
}

// The losses and the weights of a training of some steps, in micro-batches.
struct Trained {
  std::vector<float> losses;
  std::vector<at::Tensor> weights;

  bool operator==(const Trained& other) const {
    if (losses != other.losses || weights.size() != other.weights.size()) return false;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!at::equal(weights[i], other.weights[i])) return false;
    }
    return true;
  }
};

// `values`: null: all is computed.
Trained trained(Model model, const Dataset& dataset, const TrainingConfig& config,
                const BatchOptions& options, SequenceValues* values) {
  const std::vector<std::vector<int64_t>> batches{{0, 1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 3}};
  Trained out;
  TrainStep step(model, config, 6);
  for (int64_t s = 0; s < 6; ++s) {
    std::vector<DeviceBatch> micro_batches;
    for (const size_t b : {static_cast<size_t>(s % 3), static_cast<size_t>((s + 1) % 3)}) {
      micro_batches.push_back(
          values != nullptr
              ? values->whole_batch(dataset, batches[b], model->spec.schedule, options)
              : model->to_batch(dataset, batches[b], model->spec.schedule, options));
    }
    out.losses.push_back(step.run(micro_batches, s).item<float>());
  }
  for (const auto& [name, tensor] : step.tensors()) out.weights.push_back(tensor.detach().clone());
  return out;
}

class FrozenStore : public testing::TestWithParam<std::tuple<FrozenCase, at::ScalarType>> {
 protected:
  const FrozenCase& c() const { return std::get<0>(GetParam()); }
  Model model() {
    Model out = small_.model(spec_, std::get<1>(GetParam()));
    out->freeze(frozen_);
    return out;
  }
  TrainingConfig config() const {
    TrainingConfig out;
    out.learning_rate = 1e-2;
    out.warmup = 0;
    out.recompute = c().recompute ? Switch::kOn : Switch::kOff;
    return out;
  }

  SmallBert small_{{.layers = kLayers, .dropout = 0.2, .family = c().family}};
  ModelSpec spec_ = small_.spec(c().schedule, SegmentFormat::kStandalone, c().pooling);
  const FrozenParts frozen_ = resolve_frozen(c().freeze, c().schedule, kLayers);
  std::vector<Example> examples_ = small_.random_examples(/*seed=*/11, 12);
  Dataset dataset_ = small_.dataset(spec_, examples_);
  IdTokenizer tokenizer_{200};
  TemporaryFolder folder_;
};

TEST_P(FrozenStore, TrainsTheSameToTheBit) {
  const BatchOptions options{.share_segments = c().share};
  const Trained expected = trained(model(), dataset_, config(), options, nullptr);
  ASSERT_NE(expected.losses.front(), expected.losses.back());
  std::set<int32_t> distinct;
  for (int64_t e = 0; e < dataset_.size(); ++e) {
    for (const int32_t sequence : dataset_.example(e).sequences) distinct.insert(sequence);
  }
  int64_t computed = 0;
  for (const int round : {0, 1}) {
    SCOPED_TRACE(round);
    Model model = this->model();
    const ValuePlan plan = frozen_plan(model, frozen_);
    SequenceValues values(model, tokenizer_, plan, {.use = open(model, folder_.path())});
    EXPECT_TRUE(trained(model, dataset_, config(), options, &values) == expected);
    values.commit();
    if (round == 0) computed = values.counts().computed;
    EXPECT_EQ(values.counts().computed, round == 0 ? computed : 0);
    EXPECT_GT(values.counts().found, 0);
    // Evaluation in another layout of the same batches.
    const at::Tensor all = run_model(model, dataset_, spec_.schedule)->values;
    EXPECT_TRUE(
        at::equal(run_model(model, dataset_, spec_.schedule, {.values = &values})->values, all));
    EXPECT_EQ(values.counts().computed, round == 0 ? computed : 0);
  }
  // A segment that is both an example's first and another's has two values if these differ.
  EXPECT_GE(computed, std::ssize(distinct));
  EXPECT_LE(computed, 2 * std::ssize(distinct));
}

INSTANTIATE_TEST_SUITE_P(Schedules, FrozenStore,
                         testing::Combine(testing::ValuesIn(frozen_cases()),
                                          testing::Values(at::kFloat, at::kBFloat16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == at::kFloat ? "_fp32" : "_bf16");
                         });

class T5FrozenStore : public testing::TestWithParam<HeadKind> {};

TEST_P(T5FrozenStore, TrainsTheSameToTheBit) {
  const TemporaryFolder folder;
  const ModelSpec spec = t5_spec(split_schedule(2, 4), SegmentFormat::kStandalone, GetParam());
  const T5IdTokenizer tokenizer(600);
  const std::vector<Example> examples = t5_examples(/*seed=*/5, 12);
  TrainingConfig config;
  config.learning_rate = 1e-2;
  config.warmup = 0;
  const FrozenParts frozen = resolve_frozen({"independent"}, spec.schedule, 4);
  const auto train = [&](bool stored, int64_t* computed) {
    Model model = fresh_t5(folder / "m", t5_config(/*gated=*/true), spec, at::kFloat);
    model->freeze(frozen);
    const Dataset dataset(examples, tokenizer, spec.tokenize_options(model->config, tokenizer));
    if (!stored) return trained(model, dataset, config, {}, nullptr);
    SequenceValues values(model, tokenizer, frozen_plan(model, frozen),
                          {.use = open(model, folder / "store")});
    Trained out = trained(model, dataset, config, {}, &values);
    values.commit();
    *computed = values.counts().computed;
    return out;
  };
  const Trained expected = train(false, nullptr);
  int64_t first = 0, second = 0;
  EXPECT_TRUE(train(true, &first) == expected);
  EXPECT_TRUE(train(true, &second) == expected);
  EXPECT_GT(first, 0);
  EXPECT_EQ(second, 0);
}

INSTANTIATE_TEST_SUITE_P(Heads, T5FrozenStore,
                         testing::Values(HeadKind::kText, HeadKind::kClassifier));

class FrozenStoreKeys : public testing::Test {
 protected:
  Model model(const Schedule& schedule) const {
    return small_.model(small_.spec(schedule, SegmentFormat::kStandalone, Pooling::kClsSegments),
                        at::kFloat);
  }
  // The sequences that a training on all examples computes.
  int64_t computed(Model model, const NameList& freeze) {
    const FrozenParts frozen = resolve_frozen(freeze, model->spec.schedule, kLayers);
    model->freeze(frozen);
    const Dataset dataset = small_.dataset(model->spec, examples_);
    SequenceValues values(model, *tokenizer_, frozen_plan(model, frozen),
                          {.use = open(model, folder_.path())});
    std::vector<int64_t> all(examples_.size());
    std::iota(all.begin(), all.end(), 0);
    values.whole_batch(dataset, all, model->spec.schedule, {});
    values.commit();
    return values.counts().computed;
  }
  void predict(const Model& model) {
    SegmentValues values(model, tokenizer_, model->spec.schedule, open(model, folder_.path()));
    values.of(placed_segments(examples_, model->spec.tokenize_options(model->config, *tokenizer_)));
    values.commit();
    predicted_ = values.counts();
  }

  SmallBert small_;
  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<IdTokenizer>(200);
  std::vector<Example> examples_ = small_.random_examples(/*seed=*/3, 12);
  SegmentValues::Counts predicted_;
  TemporaryFolder folder_;
};

TEST_F(FrozenStoreKeys, AreThoseOfPrediction) {
  const Schedule p2 = split_schedule(2, 4);
  predict(model(p2));
  EXPECT_GT(predicted_.computed, 0);
  EXPECT_EQ(computed(model(p2), {"independent"}), 0);
  EXPECT_EQ(computed(model(p2), {"embeddings", "layers 0-3"}), 0);
  EXPECT_GT(computed(model(split_schedule(1, 4)), {"independent"}), 0) << "another P";
  predict(model(split_schedule(1, 4)));
  EXPECT_EQ(predicted_.computed, 0);
}

// Keys and values are stored only where nothing of the encoder is trained.
TEST_F(FrozenStoreKeys, OfKeysAndValuesIfAllIsFrozen) {
  const Schedule one_sided{{2, Scope::kSegment}, {2, Scope::kExample, kFirst}};
  predict(model(one_sided));
  EXPECT_GT(computed(model(one_sided), {"independent"}), 0) << "states of the others";
  EXPECT_EQ(computed(model(one_sided), {"embeddings", "layers 0-3"}), 0);
}

TEST_F(FrozenStoreKeys, BelongToTheWeights) {
  const Schedule p2 = split_schedule(2, 4);
  EXPECT_GT(computed(model(p2), {"independent"}), 0);
  Model other = model(p2);
  {
    const at::NoGradGuard no_grad;
    for (const ModelParameter& p : other->parameter_list()) {
      if (p.name == "bert.encoder.layer.1.output.dense.weight") p.tensor.view(-1)[0].add_(0.5);
    }
    other->refresh_shadows();
  }
  EXPECT_GT(computed(other, {"independent"}), 0);
  EXPECT_EQ(computed(other, {"independent"}), 0);
}

TEST(FrozenPlan, SaysWhatMustBeFrozen) {
  const auto error = [](const NameList& freeze, const Schedule& schedule,
                        SegmentFormat format = SegmentFormat::kStandalone) {
    return error_of(
        [&] { check_frozen_for_store(schedule, format, resolve_frozen(freeze, schedule, 4), 4); });
  };
  const Schedule p2 = split_schedule(2, 4);
  for (const NameList& enough : {NameList{"independent"}, NameList{"embeddings", "layers 0-1"},
                                 NameList{"embeddings", "layers 0-3"}})
    EXPECT_EQ(error(enough, p2), "");
  EXPECT_EQ(error({}, p2),
            "cache.dir: expected the embeddings and layers 0 to 1 to be frozen, so that their "
            "states stay the same, but the embeddings, layer 0, layer 1 would be trained (or have "
            "adapters); set training.freeze: [independent], or leave out cache.dir");
  EXPECT_THAT(error({"embeddings", "layer 0"}, p2), HasSubstr("but layer 1 would be trained"));
  EXPECT_THAT(error({"layers 0-1"}, p2), HasSubstr("but the embeddings would be trained"));
  EXPECT_THAT(error({"embeddings"}, split_schedule(0, 4)),
              HasSubstr("cache.dir: expected layers of segment scope, whose states a store keeps, "
                        "got 4 × example; set model.independent_layers"));
  EXPECT_THAT(error({"embeddings"}, split_schedule(0, 4), SegmentFormat::kPair),
              HasSubstr("cache.dir: expected segment_format: standalone, got pair"));
  EXPECT_EQ(error({"embeddings", "layer 0"}, {{1, Scope::kSegment}, {3, Scope::kGroup}}), "");
}

// Its final norm would be a part of what is stored, and is trained.
TEST(FrozenPlan, RefusesAFamilyWithAFinalNormAtPEqualsL) {
  const TemporaryFolder folder;
  const ModelSpec spec = t5_spec(split_schedule(4, 4), SegmentFormat::kStandalone, HeadKind::kText);
  Model model = fresh_t5(folder / "m", t5_config(/*gated=*/true), spec, at::kFloat);
  const FrozenParts frozen = resolve_frozen({"independent"}, spec.schedule, 4);
  model->freeze(frozen);
  EXPECT_THAT(error_of([&] { frozen_plan(model, frozen); }),
              HasSubstr("cache.dir: expected fewer independent layers than the model's 4"));
}

}  // namespace
}  // namespace lait
