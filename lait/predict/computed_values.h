// What the segments of a batch become before they meet others, computed.
#pragma once
#include <map>

#include "lait/predict/value_plan.h"

namespace lait {

class ComputedValues {
 public:
  // Runs the model's steps up to the join, without gradients. REQUIRES: each example of the batch
  // is one segment; packed with computing_plan and tokens.
  ComputedValues(const Model& model, const ValuePlan& plan, const DeviceBatch& batch);

  // Of the segment with that PackSequence::id.
  ValueBytes value(int32_t id, const ValueFormat& format, bool truncated);
  int64_t length(int32_t id) const;

 private:
  // Of all rows: states, or keys and values of the joint layers; on the CPU.
  const at::Tensor& rows_of(const ValueFormat& format);

  Model model_;
  const ValuePlan& plan_;
  std::map<int32_t, int64_t> unit_of_;
  std::vector<int32_t> offsets_, tokens_;
  at::Tensor states_;       // (T, C)
  at::Tensor means_;        // (units, C) on the CPU; undefined: not kept
  at::Tensor body_, keys_;  // (layers, T, width) on the CPU, when they were asked for
};

PackPlan computing_plan(const Model& model, const ValuePlan& plan);

}  // namespace lait
