// The encoder's loop: states enter at any step, keys and values come from a store, states are
// passed out, one model runs at every P, and a head's Reads decide what is computed.
#include "lait/model/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "tests/model/small_bert.h"

namespace lait {
namespace {

constexpr int64_t kExamples = 6;

class EncoderTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  EncoderTest() { std::iota(all_.begin(), all_.end(), 0); }

  DeviceBatch batch(const Schedule& schedule, const Reads& reads) const {
    PackPlan plan = model_->pack_plan(schedule);
    plan.reads = reads;
    PackedBatch packed = pack(dataset_, all_, plan);
    const at::Tensor labels = model_->head->labels(packed.labels);
    return to_device(std::move(packed), labels, at::kCPU);
  }

  at::NoGradGuard no_grad_;
  const SmallBert small_;
  const ModelSpec spec_ = small_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  Model model_ = small_.model(spec_, GetParam());
  const Dataset dataset_ = small_.dataset(spec_, small_.random_examples(/*seed=*/3, kExamples));
  std::vector<int64_t> all_ = std::vector<int64_t>(kExamples);
};

TEST_P(EncoderTest, StatesEnterAtAnyStep) {
  const Reads reads = model_->pack_plan(spec_.schedule).reads;
  const DeviceBatch batch = this->batch(spec_.schedule, reads);
  std::map<int64_t, at::Tensor> states;
  const EncoderStates whole = model_->encoder->forward(
      batch, {}, {.on_states = [&](const Step& step, const at::Tensor& rows) {
        states[step.layer] = rows.clone();
      }});
  ASSERT_EQ(states.size(), 4u);
  for (size_t first = 1; first < 4; ++first) {
    EncoderStates in{states[static_cast<int64_t>(first) - 1]};
    // The step of the means is 2: after it they must be given.
    if (first > 2) in.segment_means = whole.segment_means;
    const EncoderStates out = model_->encoder->run(in, batch, first, 4, {});
    EXPECT_TRUE(at::equal(out.rows, whole.rows)) << "from step " << first;
    EXPECT_TRUE(at::equal(out.segment_means, whole.segment_means)) << "from step " << first;
  }
  EXPECT_TRUE(at::equal(states[3], whole.rows));
}

// A one-sided stage also needs the states that it keeps.
TEST_P(EncoderTest, OneSidedStagesTakeTheStatesThatTheyKeep) {
  const Schedule schedule{{2, Scope::kSegment}, {2, Scope::kExample, Updates::kFirst}};
  const DeviceBatch batch = this->batch(schedule, model_->pack_plan(schedule).reads);
  EncoderImpl& encoder = *model_->encoder;
  const EncoderStates at_join = encoder.run({encoder.embed(batch, {})}, batch, 0, 2, {}),
                      after_join = encoder.run(at_join, batch, 2, 3, {}),
                      whole = encoder.forward(batch, {});
  ASSERT_TRUE(after_join.kept.defined());
  EXPECT_EQ(after_join.kept.size(0), batch.packed.levels.back().kept->num_rows);
  EXPECT_TRUE(at::equal(encoder.run(after_join, batch, 3, 4, {}).rows, whole.rows));
}

// If a sequence's states are provided, packing needs only its length and id.
TEST_P(EncoderTest, ProvidedStatesNeedNoTokens) {
  const PackPlan plan = model_->pack_plan(spec_.schedule);
  const DeviceBatch with_tokens = batch(spec_.schedule, plan.reads);
  std::vector<PackExample> examples;
  for (int64_t i : all_) {
    PackExample& example = examples.emplace_back();
    example.id = static_cast<int32_t>(i);
    for (int32_t s : dataset_.example(i).sequences)
      example.sequences.push_back(
          {.id = s, .length = dataset_.length(s), .first_length = dataset_.length(s)});
  }
  const DeviceBatch batch =
      to_device(pack(examples, Scope::kSegment, dataset_.layout(), plan), at::Tensor(), at::kCPU);
  EXPECT_EQ(batch.packed.token_ids.size, 0);
  EXPECT_THROW(model_->encoder->embed(batch, {}), c10::Error);
  const EncoderStates at_join =
      model_->encoder->run({model_->encoder->embed(with_tokens, {})}, with_tokens, 0, 2, {});
  const EncoderStates expected = model_->encoder->run(at_join, with_tokens, 2, 4, {}),
                      got = model_->encoder->run({at_join.rows}, batch, 2, 4, {});
  EXPECT_TRUE(at::equal(got.rows, expected.rows));
  EXPECT_TRUE(at::equal(got.segment_means, expected.segment_means));
}

// Keys that are read where they are, of sequences with rows and of stored ones, give the bits of
// gathered keys.
TEST_P(EncoderTest, KeysInRunsGiveTheBitsOfGatheredKeys) {
  const Schedule schedule{{2, Scope::kSegment}, {2, Scope::kExample, Updates::kFirst}};
  PackPlan plan = model_->pack_plan(schedule);
  EncoderImpl& encoder = *model_->encoder;
  const DeviceBatch gathered = batch(schedule, plan.reads);
  const EncoderStates expected = encoder.forward(gathered, {});
  plan.key_runs = true;
  const DeviceBatch runs = to_device(pack(dataset_, all_, plan), at::Tensor(), at::kCPU);
  EXPECT_TRUE(at::equal(encoder.forward(runs, {}).rows, expected.rows));

  // All segments but the first of each example are stored, though they have rows elsewhere.
  const EncoderStates at_join = encoder.run({encoder.embed(gathered, {})}, gathered, 0, 2, {});
  const Level& level = gathered.packed.levels[0];
  const int32_t* ids = gathered.packed.ints.data() + level.unit_ids.begin;
  const int32_t* offsets = gathered.packed.ints.data() + level.offsets.begin;
  std::map<int32_t, at::Tensor> states;  // by sequence
  for (int64_t u = 0; u < level.num_units; ++u)
    states[ids[u]] = at_join.rows.narrow(0, offsets[u], offsets[u + 1] - offsets[u]);
  constexpr int32_t kStored = 1000;  // other ids than those of sequences with rows
  std::vector<PackExample> examples;
  for (int64_t i : all_) {
    PackExample& example = examples.emplace_back();
    example.id = static_cast<int32_t>(i);
    const auto sequences = dataset_.example(i).sequences;
    for (size_t s = 0; s < sequences.size(); ++s) {
      const int64_t length = dataset_.length(sequences[s]);
      example.sequences.push_back({.id = sequences[s] + (s > 0 ? kStored : 0),
                                   .length = length,
                                   .first_length = length,
                                   .stored = s > 0});
    }
  }
  const DeviceBatch stored =
      to_device(pack(examples, Scope::kSegment, dataset_.layout(), plan), at::Tensor(), at::kCPU);
  const Level& first = stored.packed.levels[0];
  EXPECT_EQ(stored.packed.levels.back().kept->live_rows, 0) << "no other segment has rows";
  at::Tensor rows = at::zeros({first.num_rows, at_join.rows.size(1)}, at_join.rows.options());
  for (int64_t u = 0; u < first.num_units; ++u) {
    const int32_t* unit = stored.packed.ints.data() + first.offsets.begin + u;
    if (unit[1] == unit[0]) continue;
    rows.narrow(0, unit[0], unit[1] - unit[0])
        .copy_(states.at(stored.packed.ints[first.unit_ids.begin + u]));
  }
  const auto run = [&](double factor) {
    const auto keys_values = [&](const Step& step) {
      std::vector<at::Tensor> out;
      for (const int32_t id : stored.packed.levels[step.level].kept->stored) {
        // Projected with the whole batch, whose rows are a multiple of 16.
        const at::Tensor all =
            encoder.layer(step.layer).project(at_join.rows, Projections::kKeysValues, {}, {});
        const int64_t u = std::find(ids, ids + level.num_units, id - kStored) - ids;
        out.push_back(factor * all.narrow(0, offsets[u], offsets[u + 1] - offsets[u]));
      }
      return out;
    };
    // The means of stored segments come from elsewhere, too.
    return encoder
        .run({rows, expected.segment_means}, stored, 2, 4, {}, {.stored_keys_values = keys_values})
        .rows;
  };
  EXPECT_TRUE(at::equal(run(1), expected.rows));
  EXPECT_FALSE(at::equal(run(0.5), expected.rows));
}

// The schedule belongs to the batch: one model computes at each P what a model created for that P
// computes.
TEST_P(EncoderTest, OneModelRunsAtEveryP) {
  at::Tensor before;
  for (int64_t p = 0; p <= 4; ++p) {
    const Schedule schedule = split_schedule(p, 4);
    Model own =
        small_.model(small_.spec(p, SegmentFormat::kStandalone, Pooling::kClsSegments), GetParam());
    const at::Tensor got = model_->forward(model_->to_batch(dataset_, all_, schedule), {}).values;
    EXPECT_TRUE(
        at::equal(got, own->forward(own->to_batch(dataset_, all_, own->spec.schedule), {}).values))
        << "P " << p;
    if (before.defined()) {
      EXPECT_GT((got - before).abs().max().item<double>(), 1e-3) << "P " << p;
    }
    before = got;
  }
}

// The rows of some segments, and their final means, equal those of a run that computes all.
TEST_P(EncoderTest, ReadsOfSomeSegmentsAreRowsOfTheWhole) {
  for (int64_t p = 0; p <= 4; ++p) {
    const Schedule schedule = split_schedule(p, 4);
    const DeviceBatch whole = batch(schedule, {.rows = Reads::Rows::kAll}),
                      some = batch(schedule, {.rows = Reads::Rows::kSegments,
                                              .row_segments = {1},
                                              .means = Reads::Means::kFinal,
                                              .mean_segments = {1}});
    ASSERT_TRUE(some.packed.read_rows);
    EXPECT_LT(some.packed.read_rows->live_rows, whole.packed.levels.back().live_rows);
    const at::Tensor all_rows = example_rows(model_, whole);
    const EncoderStates states = model_->encoder->forward(some, {});
    const Gather& order = some.packed.head.rows;
    const at::Tensor rows = order.index.size > 0 ? gather(states.rows, some, order) : states.rows;
    const at::Tensor means = gather(states.segment_means, some, some.packed.head.first_segment);
    int64_t from = 0, to = 0, mean = 0;
    for (int64_t i : all_) {
      const auto& sequences = dataset_.example(i).sequences;
      const int64_t first = dataset_.length(sequences[0]), second = dataset_.length(sequences[1]);
      const at::Tensor expected = all_rows.narrow(0, from + first, second);
      EXPECT_TRUE(at::equal(rows.narrow(0, to, second), expected)) << "P " << p << " example " << i;
      EXPECT_LE((means[mean++] - expected.to(at::kFloat).mean(0)).abs().max().item<double>(), 1e-5);
      from += dataset_.example_length(i);
      to += second;
    }
    EXPECT_LE(some.packed.read_rows->live_rows, to) << "each row once, shared or not";
  }
}

// If the head reads only means at the join, no joint layer runs.
TEST_P(EncoderTest, MeansAtTheJoinAloneCostNoJointLayer) {
  const DeviceBatch means_only = batch(spec_.schedule, {.means = Reads::Means::kAtJoin}),
                    both = batch(spec_.schedule, model_->pack_plan(spec_.schedule).reads);
  EXPECT_EQ(means_only.packed.steps.size(), 2u);
  int layers = 0;
  const EncoderStates states = model_->encoder->forward(
      means_only, {}, {.on_states = [&](const Step&, const at::Tensor&) { ++layers; }});
  EXPECT_EQ(layers, 2);
  EXPECT_TRUE(at::equal(states.segment_means, model_->encoder->forward(both, {}).segment_means));
}

INSTANTIATE_TEST_SUITE_P(DTypes, EncoderTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) {
                           return info.param == at::kFloat ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace lait
