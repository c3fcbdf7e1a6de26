// One schedule of a model, with and without a store of each type of values, for benchmarks.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lait/predict/valued_outputs.h"
#include "train/reranker.h"

namespace lait {

struct NamedSchedule {
  std::string name;
  Schedule schedule;
};

// A way to keep values.
struct ValueUse {
  std::string name;  // "cached int8"
  ValueType type = ValueType::kAuto;
  // The values that were used stay in memory, in the compute type.
  int64_t memory_bytes = 0;
};

class StoredCase {
 public:
  // The store is made in `dir`; several cases may share it.
  StoredCase(LoadedModel& loaded, NamedSchedule schedule, ValueUse use,
             const std::filesystem::path& dir);

  // Computes and stores what the examples' segments become, unless the store has it. The examples
  // have one first segment; it is not measured.
  void build(std::span<const Example> examples);
  // From texts to outputs. Nothing is added to the store.
  at::Tensor cached(std::span<const Example> examples);
  at::Tensor uncached(std::span<const Example> examples);

  const std::string& schedule() const { return schedule_.name; }
  const ValueUse& use() const { return use_; }
  // "P=3 cached int8"
  std::string name() const { return schedule_.name + " " + use_.name; }
  // Whether all values of `build`, in the compute type, have their place in memory.
  bool fits_in_memory() const { return unpacked_bytes_ < use_.memory_bytes; }
  // Of build; without `computed` if the store had them.
  double build_seconds = 0;
  SegmentValues::Counts counts;
  // From a store that was opened for it: finding values and comparing their checksums; and a plain
  // copy of as many bytes.
  double read_gb_per_s = 0, copy_gb_per_s = 0;

 private:
  SegmentValues values_with(StoreUse use);
  void measure_reading(std::span<const PlacedSegment> segments);

  LoadedModel& loaded_;
  NamedSchedule schedule_;
  ValueUse use_;
  std::filesystem::path dir_;
  TokenizeOptions tokenizing_;
  std::optional<SegmentValues> values_;
  int64_t unpacked_bytes_ = 0;
};

}  // namespace lait
