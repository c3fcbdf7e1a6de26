// The rules for what fits together, and how what a config leaves open is resolved.
#include "lait/model/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "lait/model/head.h"
#include "tests/base/error_of.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

using testing::HasSubstr;

TEST(ResolveSegmentFormat, PairIsForTheStockLayoutOnly) {
  const Schedule stock{{6, Scope::kExample}}, split{{4, Scope::kSegment}, {2, Scope::kExample}},
      dual{{6, Scope::kSegment}};
  auto format = SegmentFormat::kAuto;
  EXPECT_EQ(resolve_segment_format(format, stock), SegmentFormat::kPair);
  EXPECT_EQ(resolve_segment_format(format, split), SegmentFormat::kStandalone);
  EXPECT_EQ(resolve_segment_format(format, dual), SegmentFormat::kStandalone);
  format = SegmentFormat::kStandalone;
  EXPECT_EQ(resolve_segment_format(format, stock), SegmentFormat::kStandalone);
  format = SegmentFormat::kPair;
  EXPECT_EQ(resolve_segment_format(format, stock), SegmentFormat::kPair);
  EXPECT_THAT(error_of([&] { resolve_segment_format(format, split); }),
              HasSubstr("model.segment_format: pair is the stock layout"));
}

TEST(CheckPooling, ClsNeedsALayerOfExampleScope) {
  const Schedule split{{5, Scope::kSegment}, {1, Scope::kExample}}, dual{{6, Scope::kSegment}},
      groups{{6, Scope::kGroup}};
  EXPECT_EQ(error_of([&] { check_pooling(Pooling::kCls, split, true); }), "");
  EXPECT_EQ(error_of([&] { check_pooling(Pooling::kCls, dual, false); }), "");
  EXPECT_EQ(error_of([&] { check_pooling(Pooling::kClsSegments, dual, true); }), "");
  EXPECT_THAT(error_of([&] { check_pooling(Pooling::kCls, dual, true); }),
              HasSubstr("model.pooling: cls without a layer of example scope"));
  EXPECT_THAT(error_of([&] { check_pooling(Pooling::kCls, groups, true); }),
              HasSubstr("use cls_segments or segments"));
}

TEST(ModelSpec, ChecksItselfAgainstAModel) {
  const SmallBert bert;
  const ModelSpec good = bert.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  const auto problem = [&](const std::function<void(ModelSpec&, HfConfig&)>& change) {
    ModelSpec spec = good;
    HfConfig config = bert.config();
    change(spec, config);
    return error_of([&] { spec.check(config, "lait.yaml"); });
  };
  EXPECT_EQ(problem([](auto&, auto&) {}), "");
  EXPECT_THAT(problem([](ModelSpec& spec, auto&) {
                spec.schedule = {{5, Scope::kExample}};
              }),
              HasSubstr("lait.yaml: model.schedule: expected stages of 4 layers together"));
  EXPECT_THAT(
      problem([](ModelSpec& spec, auto&) { spec.max_segment_tokens = 257; }),
      HasSubstr("data.max_segment_tokens: expected at most the model's 256 positions, got 257"));
  EXPECT_THAT(problem([](ModelSpec& spec, HfConfig& config) {
                spec.schedule = {{4, Scope::kExample}};
                spec.format = SegmentFormat::kPair;
                config.type_vocab_size = 1;
              }),
              HasSubstr("pair needs two token types, and the model has one; use standalone"));
  EXPECT_THAT(problem([](ModelSpec& spec, auto&) { spec.format = SegmentFormat::kPair; }),
              HasSubstr("pair is the stock layout"));
}

TEST(ModelSpec, HeadsReadOnlyWhatAOneSidedScheduleComputes) {
  const SmallBert bert;
  const Schedule schedule{{2, Scope::kSegment}, {2, Scope::kExample, Updates::kFirst}};
  const auto spec_of = [&](Pooling pooling) {
    return bert.spec(schedule, SegmentFormat::kStandalone, pooling);
  };
  const auto problem = [&](Pooling pooling) {
    return error_of([&] { spec_of(pooling).check(bert.config(), ""); });
  };
  EXPECT_EQ(problem(Pooling::kClsSegments), "");
  EXPECT_EQ(problem(Pooling::kCls), "");
  EXPECT_EQ(problem(Pooling::kMean),
            "model.schedule: stages with updates: first compute the first segment's rows only, and "
            "model.pooling: mean reads the final states of others; use cls, or cls_segments with "
            "independent layers");
  EXPECT_THAT(problem(Pooling::kSegments), HasSubstr("model.pooling: segments reads"));
  const ModelSpec spec = spec_of(Pooling::kClsSegments);
  EXPECT_EQ(spec.at(1, bert.config()).schedule,
            (Schedule{{1, Scope::kSegment}, {3, Scope::kExample, Updates::kFirst}}));
  EXPECT_EQ(error_of([&] { spec.at(4, bert.config()); }), "");
  EXPECT_THAT(error_of([&] { spec.at(0, bert.config()); }),
              HasSubstr("--independent-layers: stages with updates: first"));
}

}  // namespace
}  // namespace lait
