#include "train/run_store.h"

#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "eval/cache_options.h"
#include "eval/store_faults.h"
#include "lait/predict/frozen_plan.h"

namespace lait {

std::unique_ptr<SequenceValues> open_run_store(
    const RunInputs& in, const Model& model, const Ranks& ranks,
    const std::function<void(const std::string&)>& warn) {
  const CacheConfig& cache = in.config.cache;
  if (cache.dir.empty()) return nullptr;
  const ValuePlan plan = frozen_plan(model, in.frozen);
  const auto most_bytes = static_cast<uint64_t>(cache.max_bytes.bytes);
  SequenceValueOptions options;
  options.use = open_store(cache.dir, {.made_by = made_here(model), .max_bytes = most_bytes},
                           cache.exact == Switch::kOn, warn);
  // A store drops whole files, each at most a 16th, to make room for the next one.
  constexpr uint64_t kParts = 16;
  options.most_added_bytes =
      most_bytes / kParts * (kParts - 2) / static_cast<uint64_t>(ranks.size());
  options.warn = warn;
  return std::make_unique<SequenceValues>(model, *in.tokenizer, plan, std::move(options));
}

nlohmann::ordered_json report_run_store(SequenceValues& values, const std::string& dir,
                                        Ranks& ranks, Progress& progress) {
  values.sync(ranks);
  const SequenceValues::Counts mine = values.counts();
  int64_t found = 0, computed = 0, added_bytes = 0;
  for (const at::Tensor& of_rank :
       ranks.gather(at::tensor({mine.found, mine.computed, mine.added_bytes}, at::kLong))) {
    const auto* counts = of_rank.const_data_ptr<int64_t>();
    found += counts[0];
    computed += counts[1];
    added_bytes += counts[2];
  }
  progress.message(fmt::format("{}: {} segments found, {} computed, {:.1f} MB added", dir, found,
                               computed, static_cast<double>(added_bytes) / 1e6));
  if (ranks.is_first()) {
    if (const SegmentStore* store = values.store().store()) show_faults("lait-train", *store);
    for (const std::string& maker : values.store().other_makers()) {
      progress.warning(
          fmt::format("{} has values that were computed by {}; results may differ in their last "
                      "digits (cache.exact computes these segments again)",
                      dir, maker));
    }
  }
  return {{"found", found}, {"computed", computed}, {"added_bytes", added_bytes}};
}

}  // namespace lait
