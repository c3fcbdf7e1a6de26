#include "lait/predict/frozen_plan.h"

#include <algorithm>
#include <string>

#include "lait/base/error.h"

namespace lait {
namespace {

// "layers 0 to 2", "layer 0"
std::string layer_names(int64_t count) {
  return count == 1 ? "layer 0" : "layers 0 to " + std::to_string(count - 1);
}

}  // namespace

void check_frozen_for_store(const Schedule& schedule, SegmentFormat format,
                            const FrozenParts& frozen, int64_t num_layers) {
  if (format == SegmentFormat::kPair) {
    throw UserError(
        "cache.dir: expected segment_format: standalone, got pair, where an example is one "
        "sequence, so that nothing depends on a segment alone; train with independent_layers, or "
        "leave out cache.dir");
  }
  const int64_t layers = segment_layers(schedule);
  if (layers == 0) {
    throw UserError(
        "cache.dir: expected layers of segment scope, whose states a store keeps, got " +
        describe(schedule) + "; set model.independent_layers, or leave out cache.dir");
  }
  std::string trained = frozen.embeddings ? "" : "the embeddings";
  for (int64_t layer = 0; layer < layers; ++layer) {
    if (!frozen.layer(layer))
      trained += (trained.empty() ? "layer " : ", layer ") + std::to_string(layer);
  }
  if (trained.empty()) return;
  throw UserError("cache.dir: expected the embeddings and " + layer_names(layers) +
                  " to be frozen, so that their states stay the same, but " + trained +
                  " would be trained (or have adapters); set training.freeze: [independent], or "
                  "leave out cache.dir");
}

ValuePlan frozen_plan(const Model& model, const FrozenParts& frozen) {
  const ModelSpec& spec = model->spec;
  const int64_t num_layers = model->config.num_hidden_layers;
  check_frozen_for_store(spec.schedule, spec.format, frozen, num_layers);
  ValuePlan plan = value_plan(model, spec.schedule);
  const bool has_trained_top = std::ranges::any_of(model->trained_parameters(), [](const auto& p) {
    return p.role.part == ParameterRole::Part::kTop;
  });
  if (static_cast<int64_t>(plan.join) == num_layers && has_trained_top) {
    throw UserError("cache.dir: expected fewer independent layers than the model's " +
                    std::to_string(num_layers) +
                    ": this family has a norm behind the last one, which is trained; lower "
                    "model.independent_layers, or leave out cache.dir");
  }
  const bool all_frozen =
      frozen.embeddings && std::ranges::count(frozen.layers, true) == num_layers;
  if (plan.others.kind == ValueFormat::Kind::kKeysValues && !all_frozen) {
    plan.schedule = spec.schedule;
    plan.joint_layers.clear();
    plan.others = plan.first;
  }
  return plan;
}

}  // namespace lait
