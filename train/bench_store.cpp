#include "train/bench_store.h"

#include "lait/predict/frozen_plan.h"

namespace lait {

BenchStore::BenchStore(const RunInputs& in, const Model& model) {
  SequenceValueOptions options;
  options.use.store =
      std::make_shared<SegmentStore>(folder_.path, StoreWriteOptions{.made_by = made_here(model)});
  values_.emplace(model, *in.tokenizer, frozen_plan(model, in.frozen), std::move(options));
}

}  // namespace lait
