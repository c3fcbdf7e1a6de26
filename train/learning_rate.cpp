#include "train/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lait {
namespace {

// Of inverse_sqrt without a warm-up; else the warm-up's steps are its time scale.
constexpr int64_t kInverseSqrtSteps = 10000;

}  // namespace

int64_t warmup_steps(const TrainingConfig& config, int64_t total_steps) {
  if (config.warmup_steps) return *config.warmup_steps;
  return static_cast<int64_t>(config.warmup.value_or(kDefaultWarmup) *
                              static_cast<double>(total_steps));
}

double learning_rate_factor(const TrainingConfig& config, int64_t step, int64_t total_steps) {
  const int64_t warmup = warmup_steps(config, total_steps);
  const auto at = static_cast<double>(step);
  if (step < warmup) return at / static_cast<double>(warmup);
  // From 0 at the end of the warm-up to 1 after the last step.
  const double done =
      std::min(1.0, (at - static_cast<double>(warmup)) /
                        static_cast<double>(std::max<int64_t>(1, total_steps - warmup)));
  switch (config.schedule) {
    case LearningRateSchedule::kLinear:
      return static_cast<double>(std::max<int64_t>(0, total_steps - step)) /
             static_cast<double>(std::max<int64_t>(1, total_steps - warmup));
    case LearningRateSchedule::kCosine:
      return 0.5 * (1 + std::cos(std::numbers::pi * done));
    case LearningRateSchedule::kInverseSqrt: {
      const int64_t scale = warmup > 0 ? warmup : kInverseSqrtSteps;
      return 1 / std::sqrt(static_cast<double>(step + scale - warmup) / static_cast<double>(scale));
    }
    case LearningRateSchedule::kConstant:
      break;
  }
  return 1;
}

double learning_rate_share(const TrainingConfig& config, const ModelParameter& parameter,
                           const ModelImpl& model) {
  using Part = ParameterRole::Part;
  const int64_t num_layers = model.config.num_hidden_layers,
                decoder_layers = model.decoder ? model.config.num_decoder_layers : 0;
  const auto below_head = [&](int64_t parts) {
    return std::pow(config.layer_decay, static_cast<double>(parts));
  };
  switch (parameter.role.part) {
    case Part::kHead:
      return parameter.pretrained_head ? 1 : config.head_learning_rate_factor;
    case Part::kTop:
      return 1;
    case Part::kDecoderLayer:
      return below_head(decoder_layers - parameter.role.layer);
    case Part::kEncoderLayer:
      return below_head(decoder_layers + num_layers - parameter.role.layer);
    case Part::kEmbedding:
    case Part::kSharedTable:
      break;
  }
  return below_head(decoder_layers + num_layers + 1);
}

double learning_rate_of(const TrainingConfig& config, const ModelParameter& parameter,
                        const ModelImpl& model) {
  if (parameter.role.kind == ParameterRole::Kind::kLexicalBias)
    return config.lexical_bias_learning_rate.value_or(kDefaultLexicalBiasLearningRate);
  return config.learning_rate * learning_rate_share(config, parameter, model);
}

}  // namespace lait
