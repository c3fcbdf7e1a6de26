// The names of a config's choices, one table each: reading, writing and messages use these.
#pragma once
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "lait/config/config.h"

namespace lait {

template <class E>
using NameTable = std::span<const std::pair<const char*, E>>;

template <class E>
NameTable<E> names_of();

#define LAIT_NAMES(Enum, ...)                                               \
  template <>                                                               \
  inline NameTable<Enum> names_of<Enum>() {                                 \
    static constexpr std::pair<const char*, Enum> kNames[] = {__VA_ARGS__}; \
    return kNames;                                                          \
  }
LAIT_NAMES(Scope, {"segment", Scope::kSegment}, {"group", Scope::kGroup},
           {"example", Scope::kExample})
LAIT_NAMES(Updates, {"all", Updates::kAll}, {"first", Updates::kFirst})
LAIT_NAMES(SegmentFormat, {"auto", SegmentFormat::kAuto},
           {"standalone", SegmentFormat::kStandalone}, {"pair", SegmentFormat::kPair})
LAIT_NAMES(HeadKind, {"classifier", HeadKind::kClassifier}, {"regression", HeadKind::kRegression},
           {"relevance", HeadKind::kRelevance}, {"span", HeadKind::kSpan},
           {"text", HeadKind::kText})
LAIT_NAMES(Pooling, {"cls", Pooling::kCls}, {"mean", Pooling::kMean},
           {"segments", Pooling::kSegments}, {"cls_segments", Pooling::kClsSegments})
LAIT_NAMES(OnOverflow, {"truncate", OnOverflow::kTruncate}, {"error", OnOverflow::kError})
LAIT_NAMES(Precision, {"auto", Precision::kAuto}, {"bf16", Precision::kBf16},
           {"fp32", Precision::kFp32})
LAIT_NAMES(DeviceKind, {"auto", DeviceKind::kAuto}, {"cpu", DeviceKind::kCpu},
           {"cuda", DeviceKind::kCuda})
LAIT_NAMES(ModelInit, {"pretrained", ModelInit::kPretrained}, {"random", ModelInit::kRandom})
LAIT_NAMES(StudentInit, {"pretrained", StudentInit::kPretrained},
           {"teacher", StudentInit::kTeacher})
LAIT_NAMES(BatchBy, {"examples", BatchBy::kExamples}, {"tokens", BatchBy::kTokens})
LAIT_NAMES(OptimizerKind, {"adamw", OptimizerKind::kAdamW},
           {"adafactor", OptimizerKind::kAdafactor})
LAIT_NAMES(LearningRateSchedule, {"linear", LearningRateSchedule::kLinear},
           {"constant", LearningRateSchedule::kConstant}, {"cosine", LearningRateSchedule::kCosine},
           {"inverse_sqrt", LearningRateSchedule::kInverseSqrt})
LAIT_NAMES(FileFormat, {"auto", FileFormat::kAuto}, {"jsonl", FileFormat::kJsonLines},
           {"tsv", FileFormat::kTsv}, {"csv", FileFormat::kCsv})
LAIT_NAMES(Switch, {"false", Switch::kOff}, {"true", Switch::kOn})
LAIT_NAMES(ShareSegments, {"auto", ShareSegments::kAuto}, {"false", ShareSegments::kOff},
           {"true", ShareSegments::kOn})
#undef LAIT_NAMES

template <class E>
requires std::is_enum_v<E> std::string to_string(E value) {
  for (const auto& [name, v] : names_of<E>()) {
    if (v == value) return name;
  }
  throw std::logic_error("a choice without a name: " + std::to_string(static_cast<int>(value)));
}

// "auto, standalone, pair", for messages.
template <class E>
std::string choices() {
  std::string list;
  for (const auto& [name, v] : names_of<E>())
    list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

}  // namespace lait
