// The names of a config's choices, one table each, used for reading, writing and messages; and the nearest name to a
// misspelt one.
#pragma once
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lait/config/config.h"

namespace lait {

template <class E>
using NameTable = std::span<const std::pair<const char*, E>>;

template <class E>
NameTable<E> names_of();

#define LAIT_NAMES(Enum, ...)                                          \
  template <>                                                          \
  inline NameTable<Enum> names_of<Enum>() {                            \
    static constexpr std::pair<const char*, Enum> kNames[] = {__VA_ARGS__}; \
    return kNames;                                                     \
  }
LAIT_NAMES(Scope, {"segment", Scope::kSegment}, {"group", Scope::kGroup}, {"example", Scope::kExample})
LAIT_NAMES(SegmentFormat, {"auto", SegmentFormat::kAuto}, {"standalone", SegmentFormat::kStandalone}, {"pair", SegmentFormat::kPair})
LAIT_NAMES(Head, {"classifier", Head::kClassifier}, {"regression", Head::kRegression}, {"text", Head::kText})
LAIT_NAMES(Pooling, {"cls", Pooling::kCls}, {"mean", Pooling::kMean}, {"segments", Pooling::kSegments}, {"cls_segments", Pooling::kClsSegments})
LAIT_NAMES(OnOverflow, {"truncate", OnOverflow::kTruncate}, {"error", OnOverflow::kError})
LAIT_NAMES(Precision, {"auto", Precision::kAuto}, {"bf16", Precision::kBf16}, {"fp32", Precision::kFp32})
LAIT_NAMES(DeviceKind, {"auto", DeviceKind::kAuto}, {"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda})
LAIT_NAMES(BatchBy, {"examples", BatchBy::kExamples}, {"tokens", BatchBy::kTokens})
#undef LAIT_NAMES

template <class E>
std::string to_string(E value) {
  for (const auto& [name, v] : names_of<E>()) {
    if (v == value) return name;
  }
  return "?";
}

// The candidate nearest to `name` by edits (insertions, deletions, substitutions, swaps), or "" where none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// " (did you mean X?)" or "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lait
