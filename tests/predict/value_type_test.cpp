// Values in other types than the compute type: how far they are from what was computed, and that a
// score never depends on what was found and what was computed.
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "lait/predict/predictor.h"
#include "lait/predict/value_rows.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

constexpr ValueType kTypes[] = {ValueType::kAuto, ValueType::kFp32, ValueType::kBf16,
                                ValueType::kInt8};

struct TypeCase {
  const char* name;
  Schedule schedule;
  Pooling pooling;
};

std::vector<TypeCase> type_cases() {
  using enum Scope;
  constexpr Updates kFirst = Updates::kFirst;
  return {{"p0", split_schedule(0, 4), Pooling::kClsSegments},
          {"p2", split_schedule(2, 4), Pooling::kClsSegments},
          {"p3", split_schedule(3, 4), Pooling::kClsSegments},
          {"p3_mean", split_schedule(3, 4), Pooling::kMean},
          {"p4_segments", split_schedule(4, 4), Pooling::kSegments},
          {"p4_mean", split_schedule(4, 4), Pooling::kMean},
          {"groups", {{1, kSegment}, {1, kGroup}, {2, kExample}}, Pooling::kClsSegments},
          {"one_sided_p1", {{1, kSegment}, {3, kExample, kFirst}}, Pooling::kClsSegments}};
}

class OfType : public testing::TestWithParam<std::tuple<TypeCase, at::ScalarType, ValueType>> {
 protected:
  at::Tensor outputs(SegmentValues& values, std::span<const Example> examples) {
    return valued_outputs(model_, values, examples, tokenizing_)->outputs.values;
  }
  SegmentValues values(bool stored, int64_t memory_bytes = 0) {
    StoreUse use{.memory_bytes = memory_bytes, .type = type()};
    if (stored) {
      use.store = std::make_shared<SegmentStore>(folder_.path(),
                                                 StoreWriteOptions{.made_by = made_here(model_)});
    }
    return {model_, tokenizer_, spec_.schedule, use};
  }
  at::ScalarType compute() const { return std::get<1>(GetParam()); }
  ValueType type() const { return std::get<2>(GetParam()); }
  // Whether the type has every value of the compute type.
  bool is_exact() const {
    return type() == ValueType::kAuto || type() == ValueType::kFp32 ||
           stored_dtype(type(), compute()) == compute();
  }

  SmallBert small_{{.layers = 4, .hidden = 128, .heads = 4}};
  ModelSpec spec_ = small_.spec(std::get<0>(GetParam()).schedule, SegmentFormat::kStandalone,
                                std::get<0>(GetParam()).pooling);
  Model model_ = small_.model(spec_, compute());
  std::shared_ptr<const Tokenizer> tokenizer_ = std::make_shared<IdTokenizer>(200);
  TokenizeOptions tokenizing_ = spec_.tokenize_options(small_.config(), *tokenizer_);
  std::vector<Example> examples_ = small_.random_examples(/*seed=*/23, 14);
  TemporaryFolder folder_;
};

// The law: hits, misses, memory and batches do not change a bit.
TEST_P(OfType, NoSequenceOfHitsAndMissesChangesAScore) {
  at::NoGradGuard no_grad;
  SegmentValues alone = values(/*stored=*/false);
  const at::Tensor expected = outputs(alone, examples_);
  const Dataset dataset = small_.dataset(spec_, examples_);
  std::vector<int64_t> all(examples_.size());
  std::iota(all.begin(), all.end(), 0);
  const at::Tensor exact =
      model_->forward(model_->to_batch(dataset, all, spec_.schedule), {}).values;
  const double change = (expected - exact).abs().max().item<double>();
  // A head that reads the means alone does not read the rows.
  const bool reads_rows = std::get<0>(GetParam()).name != std::string("p4_segments");
  if (is_exact() || !reads_rows) {
    EXPECT_TRUE(at::equal(expected, exact));
  } else {
    EXPECT_GT(change, 0) << "the type is not used";
    EXPECT_LT(change, 0.2);
  }

  std::mt19937 random(5);
  for (const int64_t memory : {0, 20000, 10000000}) {
    SegmentValues without = values(/*stored=*/false, memory);
    std::optional<SegmentValues> with;
    for (int step = 0; step < 12; ++step) {
      if (!with || random() % 6 == 0) with.emplace(values(/*stored=*/true, memory));
      const size_t begin = random() % examples_.size(),
                   count = 1 + random() % (examples_.size() - begin);
      const auto some = std::span(examples_).subspan(begin, count);
      const at::Tensor of_them =
          expected.narrow(0, static_cast<int64_t>(begin), static_cast<int64_t>(count));
      EXPECT_TRUE(at::equal(outputs(*with, some), of_them)) << memory << ", step " << step;
      EXPECT_TRUE(at::equal(outputs(without, some), of_them)) << memory << ", step " << step;
    }
    EXPECT_GT(with->counts().found, 0);
  }
  for (const bool rest_is_stored : {false, true}) {
    SegmentValues stored = values(/*stored=*/true);
    EXPECT_TRUE(at::equal(outputs(stored, examples_), expected));
    if (rest_is_stored) {
      EXPECT_EQ(stored.counts().computed, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schedules, OfType,
                         testing::Combine(testing::ValuesIn(type_cases()),
                                          testing::Values(at::kFloat, at::kBFloat16),
                                          testing::ValuesIn(kTypes)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == at::kFloat ? "_fp32_as_"
                                                                         : "_bf16_as_") +
                                  to_string(std::get<2>(info.param));
                         });

ValueFormat format_of(ValueType type, at::ScalarType compute = at::kFloat) {
  return {.kind = ValueFormat::Kind::kKeysValues,
          .dtype = compute,
          .stored = stored_dtype(type, compute),
          .layers = 3,
          .width = 96,
          .group = 16,
          .mean_width = 5};
}

at::Tensor back(const SegmentValue& value, at::ScalarType dtype) {
  return unpacked(std::make_shared<const SegmentValue>(value), dtype)->body.to(at::kDouble);
}

TEST(ValueTypes, WhatIsReadIsAsNearAsTheTypeIsFine) {
  at::manual_seed(3);
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    for (const ValueType type : kTypes) {
      for (const int64_t rows : {1, 2, 7, 64}) {
        SCOPED_TRACE(to_string(type) + " of " + c10::toString(compute));
        const ValueFormat format = format_of(type, compute);
        // Of different sizes in each row, and of more rows than the value has.
        const at::Tensor all =
            (at::randn({3, rows + 9, 96}) * at::randn({3, rows + 9, 1}).mul(8).exp()).to(compute);
        const at::Tensor body = all.narrow(1, 4, rows), mean = at::randn({5});
        const ValueBytes bytes = write_value(format, /*truncated=*/true, mean, body);
        EXPECT_EQ(std::ssize(bytes.bytes), format.bytes(rows));
        const SegmentValue value = read_value(format, bytes).value();
        EXPECT_EQ(value.rows, rows);
        EXPECT_TRUE(value.truncated);
        EXPECT_TRUE(at::equal(value.mean, mean));
        const at::Tensor got = back(value, compute), expected = body.to(at::kDouble);
        if (type == ValueType::kInt8) {
          const at::Tensor in_groups = expected.view({3, rows, 6, 16});
          const at::Tensor scale = std::get<0>(in_groups.abs().max(3, /*keepdim=*/true)) / 127;
          // Half a step, and what rounding to the compute type costs.
          const double unit = compute == at::kFloat ? 0x1p-22 : 0x1p-8;
          const at::Tensor most = scale / 2 + in_groups.abs() * unit;
          EXPECT_TRUE(((got.view_as(in_groups) - in_groups).abs() <= most).all().item<bool>());
          EXPECT_TRUE(at::allclose(value.scales.to(at::kDouble), scale.squeeze(3), 1e-6, 0));
        } else {
          EXPECT_TRUE(at::equal(got, body.to(format.stored).to(compute).to(at::kDouble)));
        }
        const ValueSummary summary = summary_of(bytes.bytes).value();
        EXPECT_EQ(summary.rows, rows);
        EXPECT_EQ(summary.type, value_type_of(format.stored));
      }
    }
  }
}

TEST(ValueTypes, Int8TakesAQuarterAndTheScales) {
  const ValueFormat fp32 = format_of(ValueType::kFp32), int8 = format_of(ValueType::kInt8);
  const int64_t rows = 64, head = 2 * 64;
  EXPECT_EQ(fp32.bytes(rows), head + rows * 3 * 96 * 4);
  EXPECT_EQ(int8.bytes(rows), head + rows * 3 * (96 + 6 * 4));
}

TEST(ValueTypes, WhatIsNotFiniteIsNotHidden) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    at::Tensor body = at::randn({3, 4, 96});
    body[1][2][20] = bad;
    const ValueFormat format = format_of(ValueType::kInt8);
    const SegmentValue value =
        read_value(format, write_value(format, false, at::randn({5}), body)).value();
    const at::Tensor is_nan = back(value, at::kFloat).isnan();
    EXPECT_EQ(is_nan.sum().item<int64_t>(), 16) << "its head alone";
    EXPECT_TRUE(is_nan[1][2].narrow(0, 16, 16).all().item<bool>());
  }
}

// A broken model's scores are as they are without a store: not finite, and only those.
TEST(ValueTypes, ABrokenModelStaysBroken) {
  at::NoGradGuard no_grad;
  const SmallBert small;
  constexpr Updates kFirst = Updates::kFirst;
  for (const Schedule& schedule : {split_schedule(2, 4), split_schedule(3, 4),
                                   Schedule{{2, Scope::kSegment}, {2, Scope::kExample, kFirst}}}) {
    const ModelSpec spec = small.spec(schedule, SegmentFormat::kStandalone, Pooling::kCls);
    Model model = small.model(spec, at::kFloat);
    for (const ModelParameter& parameter : model->parameter_list()) {
      if (parameter.name == "bert.embeddings.word_embeddings.weight")
        parameter.tensor[60].fill_(INFINITY);
    }
    const auto tokenizer = std::make_shared<IdTokenizer>(200);
    const std::vector<Example> examples{
        {.segments = {"5 6", "7 8"}}, {.segments = {"60 6", "7 8"}}, {.segments = {"5 6", "7 60"}}};
    for (const ValueType type : kTypes) {
      SegmentValues values(model, tokenizer, schedule, {.type = type});
      const at::Tensor scores =
          valued_outputs(model, values, examples, spec.tokenize_options(small.config(), *tokenizer))
              ->outputs.values;
      EXPECT_TRUE(scores[0].isfinite().all().item<bool>()) << to_string(type);
      EXPECT_TRUE(scores[1].isnan().all().item<bool>()) << to_string(type);
      EXPECT_TRUE(scores[2].isnan().all().item<bool>()) << to_string(type);
    }
  }
}

// A store holds values of several types; each finds its own alone. A damaged scale is noticed.
TEST(ValueTypes, TypesStandSideBySide) {
  const SmallBert small;
  const TemporaryFolder folder;
  const Schedule one_sided{{2, Scope::kSegment}, {2, Scope::kExample, Updates::kFirst}};
  const ModelSpec spec = small.spec(one_sided, SegmentFormat::kStandalone, Pooling::kClsSegments);
  const auto tokenizer = std::make_shared<IdTokenizer>(200);
  const std::vector<PlacedSegment> segments{{"5 6 7", true}, {"8 9", false}, {"10", false}};
  const auto found = [&](at::ScalarType compute, ValueType type) {
    const Model model = small.model(spec, compute);
    SegmentValues values(model, tokenizer, one_sided,
                         {.store = std::make_shared<SegmentStore>(
                              folder.path(), StoreWriteOptions{.made_by = made_here(model)}),
                          .type = type});
    values.of(segments);
    values.commit();
    return values.counts().found;
  };
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    EXPECT_EQ(found(compute, ValueType::kInt8), 0);
    EXPECT_EQ(found(compute, ValueType::kFp32), 0);
    EXPECT_EQ(found(compute, ValueType::kBf16), 0);
    for (const ValueType type : kTypes) EXPECT_EQ(found(compute, type), 3) << to_string(type);
  }
  // The newest file's last record ends with its scales.
  std::filesystem::remove_all(folder.path());
  EXPECT_EQ(found(at::kFloat, ValueType::kInt8), 0);
  for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
    const auto size = static_cast<int64_t>(std::filesystem::file_size(file.path()));
    // 3 tokens of 2 layers: 2 H scales each; then zeros up to a multiple of 64.
    const int64_t scales = 3 * 2 * 2 * small.config().num_attention_heads * 4;
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(size - (scales + 63) / 64 * 64 + 1);
    bytes.put('\x55');
  }
  EXPECT_EQ(found(at::kFloat, ValueType::kInt8), 2);
}

// Bytes of any length, of another type, or with any head: no value, or one that lies inside them.
TEST(ValueTypes, BytesOfNoValueAreRefused) {
  std::mt19937 random(11);
  for (const ValueType type : kTypes) {
    const ValueFormat format = format_of(type);
    const ValueBytes whole = write_value(format, false, at::randn({5}), at::randn({3, 6, 96}));
    ASSERT_TRUE(read_value(format, whole));
    for (size_t size = 0; size < whole.bytes.size(); ++size)
      EXPECT_FALSE(read_value(format, {whole.owner, whole.bytes.first(size)})) << size;
    for (const ValueType other : kTypes) {
      if (stored_dtype(other, at::kFloat) != format.stored) {
        EXPECT_FALSE(read_value(format_of(other), whole)) << to_string(other);
      }
    }
    at::Tensor bytes = at::empty({std::ssize(whole.bytes)}, at::kByte);
    auto* data = bytes.mutable_data_ptr<uint8_t>();
    for (int round = 0; round < 20000; ++round) {
      std::memcpy(data, whole.bytes.data(), whole.bytes.size());
      for (size_t i = 0; i < 1 + random() % 3; ++i) {
        const size_t at = random() % (round % 2 == 0 ? 24 : whole.bytes.size());
        data[at] = static_cast<uint8_t>(random());
      }
      const std::span<const std::byte> changed(reinterpret_cast<const std::byte*>(data),
                                               whole.bytes.size());
      static_cast<void>(summary_of(changed));
      const auto value = read_value(format, {nullptr, changed});
      if (!value) continue;
      EXPECT_EQ(value->rows, 6);
      EXPECT_EQ(back(*value, at::kFloat).numel(), 3 * 6 * 96);
    }
  }
}

TEST(ValueTypes, ValuesFromBeforeTypesWereNamedAreOfTheComputeType) {
  const ValueFormat format = format_of(ValueType::kAuto);
  const ValueBytes now = write_value(format, false, at::randn({5}), at::randn({3, 6, 96}));
  auto* bytes = const_cast<std::byte*>(now.bytes.data());
  std::memset(bytes + 16, 0, sizeof(int64_t));
  EXPECT_TRUE(read_value(format, now));
  EXPECT_FALSE(summary_of(now.bytes)->type);
  ValueFormat bf16 = format_of(ValueType::kFp32, at::kBFloat16);
  EXPECT_FALSE(read_value(bf16, now));
}

}  // namespace
}  // namespace lait
