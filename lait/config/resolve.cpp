// What a config means for a model of a certain number of layers.
#include "lait/base/error.h"
#include "lait/config/read.h"

namespace lait {

Schedule resolve_schedule(const ModelConfig& model, int64_t num_layers) {
  if (model.schedule.empty()) {
    return with_context("model.independent_layers", [&] {
      return split_schedule(model.independent_layers.value_or(0), num_layers);
    });
  }
  if (model.independent_layers)
    throw UserError("model.schedule: excludes model.independent_layers; leave one of them out");
  with_context("model.schedule", [&] { check_schedule(model.schedule, num_layers); });
  return model.schedule;
}

}  // namespace lait
