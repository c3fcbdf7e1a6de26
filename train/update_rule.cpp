#include "train/update_rule.h"

#include <ATen/ops/empty_like.h>

namespace lait {

std::unique_ptr<UpdateRule> make_update_rule(const TrainingConfig& config) {
  switch (config.optimizer) {
    case OptimizerKind::kAdamW:
      return make_adamw(config);
    case OptimizerKind::kAdafactor:
      return make_adafactor();
  }
  TORCH_CHECK(false, "make_update_rule: unknown optimizer ", static_cast<int>(config.optimizer));
}

NamedState state_without_data(const UpdateRule& rule, const ModelParameter& parameter) {
  ModelParameter without_data = parameter;
  without_data.tensor = at::empty_like(parameter.tensor.detach(), at::kMeta);
  return rule.state_of(without_data);
}

int64_t state_bytes(const UpdateRule& rule, const ModelParameter& parameter) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : state_without_data(rule, parameter))
    bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

}  // namespace lait
