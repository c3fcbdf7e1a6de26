#include "lait/predict/entering_states.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "lait/predict/value_rows.h"

namespace lait {
namespace {

at::Tensor moved(const at::Tensor& host, at::Device device) {
  if (device.is_cpu() || !host.defined()) return host;
  return host.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace

std::vector<at::Tensor> SegmentKeysValues::of_layer(int64_t layer) {
  std::vector<const SegmentValue*> values;
  for (const SegmentValue& value : values_) values.push_back(&value);
  std::vector<at::Tensor> out = layer_rows(values, layer - first_layer_, dtype_, &room_);
  for (at::Tensor& rows : out) rows = rows.to(device_);
  return out;
}

EnteringFiller::EnteringFiller(const PackedBatch& packed, EnteringStates& out)
    : out_(out),
      ids_(packed.ints.data() + packed.levels.front().unit_ids.begin),
      offsets_(packed.ints.data() + packed.levels.front().offsets.begin) {
  int64_t stored = 0;
  for (int64_t u = 0; u < packed.levels.front().num_units; ++u)
    place_.push_back(offsets_[u + 1] > offsets_[u] ? -1 : stored++);
  stored_ = static_cast<SegmentKeysValues*>(out_.keys_values.get());
}

EnteringFiller::EnteringFiller(const ValuePlan& plan, const PackedBatch& packed,
                               EnteringStates& out)
    : EnteringFiller(packed, out) {
  const Level& level = packed.levels.front();
  out.step = plan.join;
  out.rows = at::empty({level.num_rows, plan.first.width}, plan.first.dtype);
  out.rows.narrow(0, level.live_rows, level.num_rows - level.live_rows).zero_();
  if (plan.first.mean_width > 0)
    out.segment_means = at::empty({level.num_units, plan.first.mean_width}, at::kFloat);
  const auto stored = std::ranges::count_if(place_, [](int64_t place) { return place >= 0; });
  if (stored == 0) return;
  auto keys_values = std::make_shared<SegmentKeysValues>(plan, stored);
  stored_ = keys_values.get();
  out.keys_values = std::move(keys_values);
}

void EnteringFiller::fill(int64_t unit, const SegmentValue& value) {
  if (out_.segment_means.defined()) out_.segment_means[unit].copy_(value.mean);
  if (is_stored(unit)) return stored_->set(place_[unit], value);
  const at::ScalarType dtype = out_.rows.scalar_type();
  if (out_.rows.is_cpu()) {
    const auto row_bytes = out_.rows.size(1) * static_cast<int64_t>(c10::elementSize(dtype));
    copy_rows(value, /*layer=*/0, dtype,
              static_cast<char*>(out_.rows.mutable_data_ptr()) + offsets_[unit] * row_bytes);
  } else {
    const at::Tensor host = at::empty({rows(unit), out_.rows.size(1)}, dtype);
    copy_rows(value, /*layer=*/0, dtype, host.mutable_data_ptr());
    out_.rows.narrow(0, offsets_[unit], rows(unit)).copy_(host);
  }
}

void move_to(EnteringStates& states, at::Device device) {
  if (device.is_cpu()) return;
  states.rows = moved(states.rows, device);
  states.segment_means = moved(states.segment_means, device);
  if (states.keys_values) static_cast<SegmentKeysValues&>(*states.keys_values).move_to(device);
}

}  // namespace lait
