// From examples' texts to outputs by way of their segments' values: what a store has is neither
// tokenized nor computed.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lait/predict/segment_values.h"

namespace lait {

struct ValuedExample {
  // In the order of the model's input; the first has the plan's format `first`.
  std::vector<std::shared_ptr<const SegmentValue>> segments;
  // Like Example::groups.
  std::vector<int32_t> groups = {};
};
// The part of the model from the join on, for the examples as one batch: the bits of
// ModelImpl::forward, on the CPU. Values are read where they are. Runs without gradients.
Outputs joint_outputs(Model& model, const ValuePlan& plan, const SegmentLayout& layout,
                      std::span<const ValuedExample> examples);

// The same in batches; nullopt if should_stop returned true.
struct ValuedOptions {
  // Called between batches; true stops. May be null.
  std::function<bool()> should_stop = {};
  // Called with the number of examples done. May be null.
  std::function<void(int64_t)> on_progress = {};
};
std::optional<Outputs> outputs_of_values(Model& model, const ValuePlan& plan,
                                         const SegmentLayout& layout,
                                         std::span<const ValuedExample> examples,
                                         const ValuedOptions& options = {});

struct ValuedOutputs {
  Outputs outputs;
  // Of each example, the segments that lost tokens.
  std::vector<std::vector<int32_t>> truncated;
};
// From texts, in the order of the examples. What was computed is added to the store and committed.
// Throws as SegmentValues::of does.
std::optional<ValuedOutputs> valued_outputs(Model& model, SegmentValues& values,
                                            std::span<const Example> examples,
                                            const TokenizeOptions& tokenizing,
                                            const ValuedOptions& options = {});

}  // namespace lait
