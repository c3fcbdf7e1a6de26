#include "lait/predict/entering_states.h"

#include <ATen/ops/empty.h>

#include <cstring>

namespace lait {
namespace {

void copy_rows(const at::Tensor& to, int64_t row, const at::Tensor& from, int64_t rows) {
  if (!to.is_cpu()) {
    to.narrow(0, row, rows).copy_(from.view({rows, to.size(1)}));
    return;
  }
  const size_t row_bytes = to.nbytes() / static_cast<size_t>(to.size(0));
  std::memcpy(static_cast<char*>(to.mutable_data_ptr()) + static_cast<size_t>(row) * row_bytes,
              from.const_data_ptr(), static_cast<size_t>(rows) * row_bytes);
}

at::Tensor moved(const at::Tensor& host, at::Device device) {
  if (device.is_cpu() || !host.defined()) return host;
  return host.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace

EnteringFiller::EnteringFiller(const PackedBatch& packed, EnteringStates& out)
    : out_(out),
      ids_(packed.ints.data() + packed.levels.front().unit_ids.begin),
      offsets_(packed.ints.data() + packed.levels.front().offsets.begin) {
  int64_t stored = 0;
  for (int64_t u = 0; u < packed.levels.front().num_units; ++u)
    place_.push_back(offsets_[u + 1] > offsets_[u] ? -1 : stored++);
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
  if (!plan.joint_layers.empty()) out.first_layer = plan.joint_layers.front();
  int64_t stored = 0;
  for (const int64_t place : place_) stored += place >= 0;
  out.keys_values.resize(static_cast<size_t>(stored));
}

void EnteringFiller::fill(int64_t unit, const SegmentValue& value) {
  if (out_.segment_means.defined()) copy_rows(out_.segment_means, unit, value.mean, 1);
  if (is_stored(unit)) {
    // Where it is: nothing writes to it, and the batch keeps its owner.
    out_.keys_values[static_cast<size_t>(place_[unit])] = moved(value.body, out_.rows.device());
    out_.owners.push_back(value.owner);
  } else {
    copy_rows(out_.rows, offsets_[unit], value.body, rows(unit));
  }
}

void move_to(EnteringStates& states, at::Device device) {
  if (device.is_cpu()) return;
  states.rows = moved(states.rows, device);
  states.segment_means = moved(states.segment_means, device);
  for (at::Tensor& one : states.keys_values) one = moved(one, device);
}

}  // namespace lait
