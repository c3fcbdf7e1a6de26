// What a config means for a model of a certain number of layers.
#include <algorithm>

#include "lait/base/error.h"
#include "lait/config/read.h"

namespace lait {
namespace {

bool is_example(const Stage& stage) { return stage.scope == Scope::kExample; }

}  // namespace

std::vector<Stage> resolve_schedule(const ModelConfig& model, int64_t num_layers) {
  const std::string layers = std::to_string(num_layers);
  if (model.schedule.empty()) {
    const int64_t independent = model.independent_layers.value_or(0);
    if (independent < 0 || independent > num_layers) {
      throw UserError("model.independent_layers: expected 0 to " + layers +
                      ", the model's number of layers, got " + std::to_string(independent));
    }
    std::vector<Stage> stages;
    if (independent > 0) stages.push_back({independent, Scope::kSegment});
    if (independent < num_layers) stages.push_back({num_layers - independent, Scope::kExample});
    return stages;
  }
  if (model.independent_layers) {
    throw UserError("model.schedule: excludes model.independent_layers; leave one of them out");
  }
  int64_t total = 0;
  for (size_t s = 0; s < model.schedule.size(); ++s) {
    const Stage& stage = model.schedule[s];
    if (stage.num_layers < 1) {
      throw UserError("model.schedule: expected stages of at least 1 layer, got " +
                      std::to_string(stage.num_layers));
    }
    total += stage.num_layers;
    if (s > 0 && stage.scope < model.schedule[s - 1].scope) {
      throw UserError("model.schedule: scopes may only widen (segment, group, example), got " +
                      to_string(stage.scope) + " after " + to_string(model.schedule[s - 1].scope));
    }
  }
  if (total != num_layers) {
    throw UserError("model.schedule: expected stages of " + layers +
                    " layers together, the model's number, got " + std::to_string(total));
  }
  return model.schedule;
}

SegmentFormat resolve_segment_format(const ModelConfig& model, const std::vector<Stage>& stages) {
  const bool stock = std::ranges::all_of(stages, is_example);
  if (model.segment_format == SegmentFormat::kPair && !stock) {
    throw UserError(
        "model.segment_format: pair is the stock layout, for independent_layers: 0 only; use auto "
        "or standalone");
  }
  if (model.segment_format == SegmentFormat::kAuto)
    return stock ? SegmentFormat::kPair : SegmentFormat::kStandalone;
  return model.segment_format;
}

void check_pooling(Pooling pooling, const std::vector<Stage>& stages, bool several_segments) {
  if (pooling == Pooling::kCls && several_segments && std::ranges::none_of(stages, is_example)) {
    throw UserError(
        "model.pooling: cls without a layer of example scope would read the first segment only; "
        "use cls_segments or "
        "segments, or fewer independent_layers");
  }
}

}  // namespace lait
