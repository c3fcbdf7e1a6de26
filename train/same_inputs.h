// Whether all ranks train the same: ranks that differ would wait for one another in vain, or train
// another model.
#pragma once
#include <ATen/core/Tensor.h>

#include "lait/ranks/ranks.h"
#include "train/run_inputs.h"

namespace lait {

// Called by every rank. Throws UserError, as Ranks::together does, if a rank's config (but for
// paths, threads and timeout), tokenized data, kind of device or precision is not rank 0's.
void check_same_inputs(const RunInputs& in, at::Device device, at::ScalarType precision,
                       Ranks& ranks);

}  // namespace lait
