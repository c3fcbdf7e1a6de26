// A run's store in a folder of its own, which is removed, for benchmarks.
#pragma once
#include <optional>

#include "eval/bench/bench.h"
#include "lait/predict/sequence_values.h"
#include "train/run_inputs.h"

namespace lait {

class BenchStore {
 public:
  // Throws UserError as frozen_plan.
  BenchStore(const RunInputs& in, const Model& model);

  SequenceValues& values() { return *values_; }

 private:
  BenchFolder folder_{"train_step"};
  std::optional<SequenceValues> values_{};
};

}  // namespace lait
