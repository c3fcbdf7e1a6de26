#include "train/bench_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include "lait/predict/frozen_plan.h"

namespace lait {

BenchStore::BenchStore(const RunInputs& in, const Model& model)
    : dir_(std::filesystem::temp_directory_path() /
           fmt::format("lait_bench_train_step_{}", ::getpid())) {
  std::filesystem::remove_all(dir_);
  SequenceValueOptions options;
  options.use.store =
      std::make_shared<SegmentStore>(dir_, StoreWriteOptions{.made_by = made_here(model)});
  values_.emplace(model, *in.tokenizer, frozen_plan(model, in.frozen), std::move(options));
}

BenchStore::~BenchStore() {
  values_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

}  // namespace lait
