// What of a training may come from a store: what its frozen part makes of single segments.
#pragma once
#include "lait/model/frozen.h"
#include "lait/predict/value_plan.h"

namespace lait {

// Throws UserError "cache.dir: expected …, got …; way out" unless the embeddings and all layers of
// segment scope are frozen, and there are some: what depends on single segments must stay the same
// in the whole training.
void check_frozen_for_store(const Schedule& schedule, SegmentFormat format,
                            const FrozenParts& frozen, int64_t num_layers);

// As value_plan. But keys and values only if all layers are frozen: while the layers that project
// them are trained, states are what stays the same. Throws UserError as check_frozen_for_store, and
// where a trained norm follows the last of the layers.
ValuePlan frozen_plan(const Model& model, const FrozenParts& frozen);

}  // namespace lait
