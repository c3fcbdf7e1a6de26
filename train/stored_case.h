// One schedule of a model, with and without a store, for benchmarks.
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

class StoredCase {
 public:
  // The store is made in `dir`.
  StoredCase(LoadedModel& loaded, NamedSchedule schedule, const std::filesystem::path& dir);

  // Computes and stores what the examples' segments become. The examples have one first segment;
  // it is not measured.
  void build(std::span<const Example> examples);
  // From texts to outputs. Nothing is added to the store.
  at::Tensor cached(std::span<const Example> examples);
  at::Tensor uncached(std::span<const Example> examples);

  const std::string& name() const { return schedule_.name; }
  // Of build.
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
  std::filesystem::path dir_;
  TokenizeOptions tokenizing_;
  std::optional<SegmentValues> values_;
};

}  // namespace lait
