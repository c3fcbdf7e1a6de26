// What estimates ask of a batch of examples.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "train/step_part.h"

namespace lait {

inline int64_t tokens_of(const Dataset& dataset, const std::vector<int64_t>& batch) {
  int64_t tokens = 0;
  for (const int64_t example : batch) tokens += dataset.example_length(example);
  return tokens;
}

// Its micro-batches, in one process.
inline std::vector<std::vector<int64_t>> parts_of(const Dataset& train,
                                                  const std::vector<int64_t>& batch,
                                                  const TrainingConfig& config) {
  return part_of_step(train, std::span(&batch, 1), 0, 1, config.max_tokens_per_device, {})
      .micro_batches;
}

}  // namespace lait
