// The ways to compute the attention of a batch of examples that the attention benchmark compares.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace lait {

using ExampleLengths = std::vector<int64_t>;  // tokens of its segments
int64_t sum(const ExampleLengths& example);

// One way for one batch: its inputs are made once, `forward` may be run again and again.
struct AttentionWay {
  std::vector<at::Tensor> inputs;
  std::function<std::vector<at::Tensor>()> forward;

  // `backward`: also takes the gradients of the inputs, given those of the outputs.
  void run(bool backward, const std::vector<at::Tensor>& gradients) const;
};

struct AttentionShape {
  int64_t heads, dim;
  at::ScalarType dtype;
  at::Device device;
};

// segment_attention on packed units; q, k, v are slices of one tensor, and so are their gradients.
AttentionWay packed_way(const std::vector<int64_t>& units, const AttentionShape& shape);
// scaled_dot_product_attention on rows padded to the longest, masked where one is shorter; `blocks`: the parts of a row see
// only themselves, by a dense mask.
AttentionWay padded_way(const std::vector<ExampleLengths>& rows, bool blocks,
                        const AttentionShape& shape);
// scaled_dot_product_attention unit by unit: no padding.
AttentionWay loop_way(const std::vector<int64_t>& units, const AttentionShape& shape);
// LibTorch's FlashAttention-2 on packed units, its varlen layout. CUDA and bf16 only.
AttentionWay flash_way(const std::vector<int64_t>& units, const AttentionShape& shape);

}  // namespace lait
