// Implementations of attention on a batch of examples, which the attention benchmark compares.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace lait {

using ExampleLengths = std::vector<int64_t>;  // tokens of each segment
int64_t sum(const ExampleLengths& example);

// One implementation on one batch. Its inputs are made once; `forward` can be run any number of
// times.
struct AttentionWay {
  std::vector<at::Tensor> inputs;
  std::function<std::vector<at::Tensor>()> forward;

  // With `backward`, also computes the gradients of the inputs from those of the outputs.
  void run(bool backward, const std::vector<at::Tensor>& gradients) const;
};

struct AttentionShape {
  int64_t heads, dim;
  at::ScalarType dtype;
  at::Device device;
};

// segment_attention on packed units. q, k, v are slices of one tensor, and so are their gradients.
AttentionWay packed_way(const std::vector<int64_t>& units, const AttentionShape& shape);
// scaled_dot_product_attention on rows padded to the longest, with a mask if one is shorter. With
// `blocks`, a dense mask lets each segment of a row see only itself.
AttentionWay padded_way(const std::vector<ExampleLengths>& rows, bool blocks,
                        const AttentionShape& shape);
// scaled_dot_product_attention unit by unit, without padding.
AttentionWay loop_way(const std::vector<int64_t>& units, const AttentionShape& shape);
// LibTorch's FlashAttention-2 on packed units (its varlen layout). CUDA and bf16 only.
AttentionWay flash_way(const std::vector<int64_t>& units, const AttentionShape& shape);

}  // namespace lait
