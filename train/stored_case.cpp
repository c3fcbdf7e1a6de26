#include "train/stored_case.h"

#include <ATen/Parallel.h>

#include <cstring>

#include "eval/bench/bench.h"
#include "lait/predict/predictor.h"

namespace lait {

StoredCase::StoredCase(LoadedModel& loaded, NamedSchedule schedule, ValueUse use,
                       const std::filesystem::path& dir)
    : loaded_(loaded), schedule_(std::move(schedule)), use_(std::move(use)), dir_(dir) {
  tokenizing_ = loaded_.model->spec.tokenize_options(loaded_.model->config, *loaded_.tokenizer);
}

SegmentValues StoredCase::values_with(StoreUse use) {
  use.type = use_.type;
  return {loaded_.model, loaded_.tokenizer, schedule_.schedule, std::move(use)};
}

void StoredCase::build(std::span<const Example> examples) {
  const auto store =
      std::make_shared<SegmentStore>(dir_, StoreWriteOptions{.made_by = made_here(loaded_.model)});
  SegmentValues values = values_with({.store = store});
  std::vector<PlacedSegment> segments = placed_segments(examples, tokenizing_);
  values.of(std::span(segments).first(1));  // the claim
  std::erase_if(segments, [](const PlacedSegment& segment) { return segment.is_first; });
  const SegmentValues::Counts before = values.counts();
  build_seconds = milliseconds_of([&] {
                    values.of(segments);
                    values.commit();
                  }) /
                  1000;
  counts = values.counts();
  counts.computed -= before.computed;
  counts.computed_tokens -= before.computed_tokens;
  counts.computed_bytes -= before.computed_bytes;
  values_.emplace(values_with({.store = std::make_shared<SegmentStore>(dir_),
                               .read_only = true,
                               .memory_bytes = use_.memory_bytes}));
  for (const PlacedSegment& segment : segments)
    unpacked_bytes_ += values.likely_bytes(segment.text.size(), segment.is_first);
  if (counts.computed > 0) measure_reading(segments);
}

at::Tensor StoredCase::cached(std::span<const Example> examples) {
  return valued_outputs(loaded_.model, *values_, examples, tokenizing_)->outputs.values;
}

at::Tensor StoredCase::uncached(std::span<const Example> examples) {
  const Dataset dataset(examples, *loaded_.tokenizer, tokenizing_, at::get_num_threads());
  return run_model(loaded_.model, dataset, schedule_.schedule)->values;
}

void StoredCase::measure_reading(std::span<const PlacedSegment> segments) {
  SegmentValues fresh =
      values_with({.store = std::make_shared<SegmentStore>(dir_), .read_only = true});
  std::vector<std::shared_ptr<const SegmentValue>> found;
  const double read = milliseconds_of([&] { found = fresh.of(segments); });
  std::vector<at::Tensor> copies;
  for (const auto& value : found) copies.push_back(value->body.clone());  // of int8 no scales
  const double copy = milliseconds_of([&] {
    for (size_t i = 0; i < found.size(); ++i) {
      std::memcpy(copies[i].mutable_data_ptr(), found[i]->body.const_data_ptr(),
                  copies[i].nbytes());
    }
  });
  const auto bytes = static_cast<double>(counts.computed_bytes);
  read_gb_per_s = bytes / read / 1e6;
  copy_gb_per_s = bytes / copy / 1e6;
}

}  // namespace lait
