// The learning rate: of a step, by the schedule, and of a parameter, by its place in the model.
#pragma once
#include <cstdint>

#include "lait/config/config.h"
#include "lait/model/model.h"

namespace lait {

// The steps in which the learning rate rises: training.warmup_steps, or training.warmup's share of
// total_steps, rounded down.
int64_t warmup_steps(const TrainingConfig& config, int64_t total_steps);

// The factor of training.learning_rate at `step`, which counts from 0. The same numbers as those of
// transformers' get_{linear,constant,cosine,inverse_sqrt}_schedule_with_warmup.
double learning_rate_factor(const TrainingConfig& config, int64_t step, int64_t total_steps);

// A parameter's share of training.learning_rate, but of a lexical bias, which has its own rate:
// layer_decay^(L - l) in layer l of L, one power more in embeddings and tables that layers share
// (as in timm and BEiT), 1 in a head of the checkpoint, head_learning_rate_factor in a new one.
double learning_rate_share(const TrainingConfig& config, const ModelParameter& parameter,
                           const ModelImpl& model);

// A parameter's learning rate after the warm-up: training.lexical_bias_learning_rate, or its share.
double learning_rate_of(const TrainingConfig& config, const ModelParameter& parameter,
                        const ModelImpl& model);

}  // namespace lait
