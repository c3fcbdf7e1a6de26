// The learning rate's schedules: a linear warm-up, then one of four curves.
#pragma once
#include <cstdint>

#include "lait/config/config.h"

namespace lait {

// The steps in which the learning rate rises: training.warmup_steps, or training.warmup's share of
// total_steps, rounded down.
int64_t warmup_steps(const TrainingConfig& config, int64_t total_steps);

// The factor of training.learning_rate at `step`, which counts from 0. The same numbers as those of
// transformers' get_{linear,constant,cosine,inverse_sqrt}_schedule_with_warmup.
double learning_rate_factor(const TrainingConfig& config, int64_t step, int64_t total_steps);

}  // namespace lait
