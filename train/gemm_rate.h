// How fast this machine multiplies matrices: what a training's FLOP/s are compared with.
#pragma once
#include "lait/model/model.h"

namespace lait {

// FLOP/s of the model's widest product (rows W^T, in its precision, on its device), the best of
// several. Takes about a tenth of a second.
double gemm_rate(const Model& model);

}  // namespace lait
