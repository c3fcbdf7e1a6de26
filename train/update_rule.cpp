#include "train/update_rule.h"

#include <ATen/ops/empty_like.h>

namespace lait {

std::unique_ptr<UpdateRule> make_update_rule(const TrainingConfig& config) {
  return config.optimizer == OptimizerKind::kAdafactor ? make_adafactor() : make_adamw(config);
}

int64_t state_bytes(const UpdateRule& rule, const ModelParameter& parameter) {
  ModelParameter without_data = parameter;
  without_data.tensor = at::empty_like(parameter.tensor.detach(), at::kMeta);
  int64_t bytes = 0;
  for (const auto& [name, tensor] : rule.state_of(without_data))
    bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

}  // namespace lait
