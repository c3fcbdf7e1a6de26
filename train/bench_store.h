// A run's store in a folder of its own, which is removed, for benchmarks.
#pragma once
#include <filesystem>
#include <optional>

#include "lait/predict/sequence_values.h"
#include "train/run_inputs.h"

namespace lait {

class BenchStore {
 public:
  // Throws UserError as frozen_plan.
  BenchStore(const RunInputs& in, const Model& model);
  ~BenchStore();
  BenchStore(const BenchStore&) = delete;
  BenchStore& operator=(const BenchStore&) = delete;

  SequenceValues& values() { return *values_; }

 private:
  std::filesystem::path dir_;
  std::optional<SequenceValues> values_;
};

}  // namespace lait
