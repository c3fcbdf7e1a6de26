// The model as a run begins with it.
#pragma once
#include "lait/model/model.h"
#include "train/run_inputs.h"

namespace lait {

// The pretrained weights, with what the config freezes, adapts and weighs. Also sets the process's
// precision of fp32 products on GPUs. Throws UserError.
Model load_model(const RunInputs& in, at::ScalarType compute_dtype);

// training.class_weights by class; empty: there are none. Balanced: examples / (classes × examples
// of the class), as scikit-learn has it. Throws UserError for a label that the data does not have,
// and for a class without examples.
std::vector<double> class_weights(const RunInputs& in);

}  // namespace lait
