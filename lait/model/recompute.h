// Activation recomputation: backward computes a part of the model again instead of keeping what it
// needs (Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174).
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace lait {

// body(inputs), of which only the inputs are kept for backward. Gradients have the same bits as
// those of body(x), if it computes the same again: dropout is a function of keys. `parameters`: the
// leaves that body reads. They are inputs here, so that each layer's gradient reaches a leaf as
// without recomputation, once, also one that layers share. REQUIRES: what body reads lives until
// backward.
using RecomputedBody = std::function<at::Tensor(const std::vector<at::Tensor>&)>;
at::Tensor recomputed(const RecomputedBody& body, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters);

}  // namespace lait
