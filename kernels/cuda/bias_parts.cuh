// The gradients of the biases, without atomics: each block of the backward pass that owns queries
// writes a part, and the parts are summed in a fixed order.
#pragma once
#include "kernels/cuda/segment_attention_block.cuh"
#include "kernels/cuda/segment_attention_launch.cuh"

namespace lait::kernels::cuda {

// out = the sum of the blocks' parts of a bias's gradient, in a fixed order; one warp for each
// element.
static __global__ void sum_bias_parts(const float* parts, int num_parts, int size, float* out) {
  const int element = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (element >= size) return;
  float sum = 0;
  for (int i = lane; i < num_parts; i += 32) sum += parts[static_cast<int64_t>(i) * size + element];
  sum = sum_over_lanes<1, 32>(sum);
  if (lane == 0) out[element] = sum;
}

class BiasParts {
 public:
  // `memory`: bytes() on the device; null: only bytes() is called.
  BiasParts(const SegmentAttentionGradParams& g, float* memory)
      : g_(g),
        count_(num_blocks(g.forward.work.blocks[kTogether]) +
               num_blocks(g.forward.work.blocks[kByQuery])),
        position_size_(g.bias_grad ? g.forward.bias.num_buckets * g.forward.num_heads : 0),
        lexical_size_(g.lexical_grad ? g.forward.num_heads : 0),
        position_(memory),
        lexical_(memory ? memory + count_ * position_size_ : nullptr) {}
  int64_t bytes() const { return 4 * count_ * (position_size_ + lexical_size_); }
  // The launch's first block writes part `first`.
  void put(Launch& launch, int first) const {
    if (g_.bias_grad) launch.bias_parts = position_ + first * position_size_;
    if (g_.lexical_grad) launch.lexical_parts = lexical_ + first * lexical_size_;
  }
  void sum() const {
    sum(position_, position_size_, g_.bias_grad);
    sum(lexical_, lexical_size_, g_.lexical_grad);
  }

 private:
  void sum(const float* parts, int64_t elements, void* out) const {
    if (elements == 0) return;
    const auto size = static_cast<int>(elements);
    sum_bias_parts<<<(32 * size + kThreads - 1) / kThreads, kThreads, 0,
                     static_cast<cudaStream_t>(g_.forward.stream)>>>(
        parts, static_cast<int>(count_), size, static_cast<float*>(out));
    check_cuda(cudaGetLastError(), "launch");
  }

  const SegmentAttentionGradParams& g_;
  int64_t count_;                         // of parts
  int64_t position_size_, lexical_size_;  // elements of a part; 0: not wanted
  float *position_, *lexical_;
};

}  // namespace lait::kernels::cuda
