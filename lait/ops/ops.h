// lait/ops/: torch operators over the kernels: checks, autograd, meta.
//
// The torch operators over kernels/: schemas lait::*, loadable from Python through liblait_ops.so, and their C++ calls.
//
// Operators check shapes, types and devices, never values (a device tensor's values are not read on the host); offsets
// are right by construction (lait/data/packing.h). Alphabet: kernels/segment_attention.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>
#include <vector>

#include "kernels/philox.h"

namespace lait::ops {

// The integers that say which rows see each other, and how dropout names them.
struct AttentionUnits {
  at::Tensor q_offsets;                   // (G + 1) int32
  at::Tensor k_offsets;                   // (G + 1) int32
  std::optional<at::Tensor> q_positions;  // (Tq) int32; none: n - m + i
  std::optional<at::Tensor> unit_ids;     // (G) int32; needed where dropout.p > 0
  std::optional<at::Tensor> work =
      {};  // CUDA: tiles of the work list (kernels/work_list.h), int32 on the device
  std::vector<int64_t> work_blocks = {};  // CUDA: its counts of blocks, (kernels::kWorkCounts)
};

// What is added to the scores, a policy: nothing, or T5's relative position bias, a table by bucketed distance
// (kernels/position_bias.h). The kernel computes the buckets; no [Tq, Tk] tensor exists, and the table gets its gradient.
struct AttentionBias {
  // (num_buckets, H) float; undefined: none.
  at::Tensor table = {};
  int64_t max_distance = 128;
  // Keys behind and before the query have buckets of their own; false: a causal decoder's.
  bool bidirectional = true;
};

// What an attention is, beside its operands.
struct AttentionSpec {
  int64_t heads = 0;     // H
  int64_t head_dim = 0;  // D; H * D need not be the model's width
  double scale = 1;
  // A query sees the keys up to its own position.
  bool causal = false;
  AttentionBias bias = {};
};

// q (Tq, H, D), k, v (Tk, H, D), any row and head strides, D contiguous; returns out (Tq, H, D). Differentiable, in
// spec.bias.table too.
at::Tensor segment_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionUnits& units, const AttentionSpec& spec,
                             const kernels::Dropout& dropout);

// The same of q (Tq, H, D) and kv (Tk, 2, H, D), and of qkv (T, 3, H, D), as one product of q, k, v leaves them: the
// gradient is one tensor, too, and nothing is copied to join it. (Names of FlashAttention's interface.)
at::Tensor segment_attention_kvpacked(const at::Tensor& q, const at::Tensor& kv,
                                      const AttentionUnits& units, const AttentionSpec& spec,
                                      const kernels::Dropout& dropout);
at::Tensor segment_attention_qkvpacked(const at::Tensor& qkv, const AttentionUnits& units,
                                       const AttentionSpec& spec, const kernels::Dropout& dropout);

// The work list that segment_attention needs on CUDA: offsets (G + 1) int32 on the CPU -> tiles (to be copied to the device)
// and block counts, as AttentionUnits has them.
std::tuple<at::Tensor, std::vector<int64_t>> attention_work(const at::Tensor& q_offsets,
                                                            const at::Tensor& k_offsets,
                                                            int64_t head_dim);

// residual + dropout(x); x, residual (T, C); row_unit_ids, row_positions (T) int32. Where p = 0 the sum alone.
at::Tensor dropout_add(const at::Tensor& x, const std::optional<at::Tensor>& residual,
                       const at::Tensor& row_unit_ids, const at::Tensor& row_positions,
                       const kernels::Dropout& dropout);

// x (S, C) -> (R, C): rows index[r]. inverse_offsets (S + 1), inverse: the live r of each row of x, for the gradient.
at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index,
                       const at::Tensor& inverse_offsets, const at::Tensor& inverse);

// x (T, C) -> (G, C) float: the mean of each unit's rows; zeros for an empty unit.
at::Tensor unit_mean(const at::Tensor& x, const at::Tensor& offsets);

// y = x W^T + b in x's dtype. x (R, K), R a multiple of 16 (so that a row's bits do not depend on the batch).
// weight (N, K) and bias (N) are the float leaves, which get float gradients; weight_shadow and bias_shadow are their
// copies in x's dtype that the product reads (the leaves themselves in fp32).
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const at::Tensor& weight_shadow, const at::Tensor& bias_shadow);

// Whether this CPU multiplies bf16 matrices faster than float ones (AMX, or AVX-512-BF16 other than Intel's). Elsewhere
// `linear` in bf16 rounds at the same places but multiplies in float.
bool cpu_has_bf16_gemm();

}  // namespace lait::ops
