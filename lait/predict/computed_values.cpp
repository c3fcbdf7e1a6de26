#include "lait/predict/computed_values.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>

namespace lait {

PackPlan computing_plan(const Model& model, const ValuePlan& plan) {
  PackPlan out = model->pack_plan(plan.schedule);
  out.reads = {.rows = Reads::Rows::kAll};
  return out;
}

ComputedValues::ComputedValues(const Model& model, const ValuePlan& plan, const DeviceBatch& batch)
    : model_(model), plan_(plan) {
  const at::NoGradGuard no_grad;
  EncoderImpl& encoder = *model_->encoder;
  const Level& level = batch.packed.levels.front();
  const int32_t* ints = batch.packed.ints.data();
  for (int64_t u = 0; u < level.num_units; ++u) unit_of_[ints[level.unit_ids.begin + u]] = u;
  const auto part = [ints](const Slice& slice) {
    return std::vector(ints + slice.begin, ints + slice.begin + slice.size);
  };
  offsets_ = part(level.offsets);
  tokens_ = part(batch.packed.token_ids);
  states_ = encoder.run({encoder.embed(batch, {})}, batch, 0, plan_.join, {}).rows;
  if (plan_.first.mean_width > 0) means_ = ops::unit_mean(states_, batch.view(level.offsets)).cpu();
}

const at::Tensor& ComputedValues::rows_of(const ValueFormat& format) {
  const at::NoGradGuard no_grad;
  if (format.kind == ValueFormat::Kind::kStates) {
    if (!body_.defined()) body_ = states_.cpu().unsqueeze(0);
    return body_;
  }
  if (!keys_.defined()) {
    std::vector<at::Tensor> layers;
    for (const int64_t layer : plan_.joint_layers) {
      layers.push_back(
          model_->encoder->layer(layer).project(states_, Projections::kKeysValues, {}, {}).cpu());
    }
    keys_ = at::stack(layers);
  }
  return keys_;
}

int64_t ComputedValues::length(int32_t id) const {
  const int64_t u = unit_of_.at(id);
  return offsets_[u + 1] - offsets_[u];
}

ValueBytes ComputedValues::value(int32_t id, const ValueFormat& format, bool truncated) {
  const int64_t u = unit_of_.at(id);
  return write_value(format, truncated, means_.defined() ? means_[u] : at::Tensor(),
                     rows_of(format).narrow(1, offsets_[u], length(id)),
                     std::span(tokens_).subspan(offsets_[u], length(id)));
}

}  // namespace lait
