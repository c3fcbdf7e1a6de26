// lait/ops/: torch operators over the kernels: checks, autograd, meta.
//
// The torch operators over kernels/: schemas lait::*, which Python loads through liblait_ops.so,
// and their C++ calls.
//
// Operators check shapes, types and devices, never values, because the host does not read a device
// tensor's values. Valid offsets are the caller's duty (lait/data/packing.h). Alphabet:
// kernels/segment_attention.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>
#include <vector>

#include "kernels/philox.h"

namespace lait::ops {

// The integers that say which rows see each other, and the units' dropout keys.
struct AttentionUnits {
  at::Tensor q_offsets;                   // (G + 1) int32
  at::Tensor k_offsets;                   // (G + 1) int32
  std::optional<at::Tensor> q_positions;  // (Tq) int32; none: n - m + i
  // (G) int32; required if dropout.p > 0.
  std::optional<at::Tensor> unit_ids;
  // (Tq) and (keys of all units) int32; required with a lexical bias (kernels/lexical_bias.h).
  std::optional<at::Tensor> q_words = {}, k_words = {};
  // CUDA: tiles of the work list (kernels/work_list.h), int32 on the device.
  std::optional<at::Tensor> work = {};
  // CUDA: the work list's counts of blocks, (kernels::kWorkCounts).
  std::vector<int64_t> work_blocks = {};
};

// What is added to the scores: nothing, or T5's relative position bias, a table indexed by bucketed
// distance (kernels/position_bias.h). The kernel computes the buckets; no (Tq, Tk) tensor exists.
// The table gets its gradient.
struct AttentionBias {
  // (num_buckets, H) float; undefined: none.
  at::Tensor table = {};
  int64_t max_distance = 128;
  // Keys before and after the query have separate buckets; false: a causal decoder's bias.
  bool bidirectional = true;
};

// The properties of an attention, without its operands.
struct AttentionSpec {
  int64_t heads = 0;     // H
  int64_t head_dim = 0;  // D; H * D need not be the model's width
  double scale = 1;
  // A query sees the keys up to its own position.
  bool causal = false;
  AttentionBias bias = {};
  // (H) float: the lexical bias, which is added where the words of a query and a key match. It gets
  // its gradient. Undefined: none.
  at::Tensor lexical_bias = {};
};

// q (Tq, H, D), k and v (Tk, H, D), any row and head strides, D contiguous; returns out (Tq, H, D).
// Differentiable, also in spec.bias.table and spec.lexical_bias.
at::Tensor segment_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionUnits& units, const AttentionSpec& spec,
                             const kernels::Dropout& dropout);

// The same for q (Tq, H, D) and kv (Tk, 2, H, D), and for qkv (T, 3, H, D), as one product yields
// them. The gradient of kv or qkv is one tensor, too, so nothing is copied to join it. (Named as in
// FlashAttention's interface.)
at::Tensor segment_attention_kvpacked(const at::Tensor& q, const at::Tensor& kv,
                                      const AttentionUnits& units, const AttentionSpec& spec,
                                      const kernels::Dropout& dropout);
at::Tensor segment_attention_qkvpacked(const at::Tensor& qkv, const AttentionUnits& units,
                                       const AttentionSpec& spec, const kernels::Dropout& dropout);

// Keys and values in runs: unit g's are those of its runs, one after another, which units may
// share (kernels/segment_attention.h).
//
// An offset counts elements from the source's first one, not rows. So a mapped file of records that
// begin at multiples of 64 bytes is one source, whatever the length of a row, and a call costs
// little for 1000 units: their runs are one tensor, which the kernel reads as it is, and only the
// sources, a few, are checked tensor by tensor.
struct KeyRuns {
  // (rows, 2, H, D) each: keys and values, in any row stride, D contiguous. The strides of the
  // second and third dimension are the same in all of them. The number of rows is not read. On CUDA
  // at most kernels::cuda::kMaxSources.
  std::vector<at::Tensor> sources;
  at::Tensor runs;         // (R, 3) int64: source, offset of the first row in elements, rows
  at::Tensor run_offsets;  // (G + 1) int32: unit g's runs are run_offsets[g] … run_offsets[g + 1]
};

// The same bits as segment_attention of the rows gathered, without gathering them. For inference:
// refuses tensors that require a gradient, unless gradients are disabled.
at::Tensor segment_attention_runs(const at::Tensor& q, const KeyRuns& keys,
                                  const AttentionUnits& units, const AttentionSpec& spec,
                                  const kernels::Dropout& dropout);

// The work list that segment_attention needs on CUDA: offsets (G + 1) int32 on the CPU -> tiles (to
// be copied to the device) and counts of blocks, as in AttentionUnits.
std::tuple<at::Tensor, std::vector<int64_t>> attention_work(const at::Tensor& q_offsets,
                                                            const at::Tensor& k_offsets,
                                                            int64_t head_dim);

// residual + dropout(x); x, residual (T, C); row_unit_ids, row_positions (T) int32. With p = 0 the
// sum only.
at::Tensor dropout_add(const at::Tensor& x, const std::optional<at::Tensor>& residual,
                       const at::Tensor& row_unit_ids, const at::Tensor& row_positions,
                       const kernels::Dropout& dropout);

// dropout(relu(x)), which keeps only its result for backward: an element that was dropped, or below
// 0, is 0 there. Arguments as of dropout_add.
at::Tensor relu_dropout(const at::Tensor& x, const at::Tensor& row_unit_ids,
                        const at::Tensor& row_positions, const kernels::Dropout& dropout);

// x (S, C) -> (R, C): rows index[r]. inverse_offsets (S + 1) and inverse list the live r of each
// row of x, for the gradient.
at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index,
                       const at::Tensor& inverse_offsets, const at::Tensor& inverse);

// x (T, C) -> (G, C) float: the mean of each unit's rows; zeros for an empty unit.
at::Tensor unit_mean(const at::Tensor& x, const at::Tensor& offsets);

// x / sqrt(mean(x^2) + epsilon) * weight by rows, in float, in x's dtype (T5's norm). x (T, C),
// weight (C) a float leaf. Keeps x and a float for each row for backward.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

// y = x W^T + b in x's dtype. x (R, K), R a multiple of 16 (so that a row's bits do not depend on
// the batch). weight (N, K) and bias (N) are the float leaves, which get float gradients; both
// biases are undefined where there is none.
// weight_shadow and bias_shadow are their copies in x's dtype, which the product reads; in fp32
// they are the leaves. With a norm it is the product of rms_norm(x), which backward makes again
// from x instead of keeping it.
struct InputNorm {
  at::Tensor weight = {};  // (K) a float leaf; undefined: none
  double epsilon = 0;
};
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const at::Tensor& weight_shadow, const at::Tensor& bias_shadow,
                  const InputNorm& norm = {});

// The weight's compute-dtype copy (N, K) in the blocked form from which oneDNN multiplies.
// `linear` makes it again in each product: where rows are few, half of the time. Undefined where
// there is none (fp32, CUDA, no cpu_has_bf16_gemm()), or where its products have other bits than
// linear's (on no CPU seen so far; it is tried on the weight's own rows).
at::Tensor blocked_weight(const at::Tensor& weight_shadow);
// The bits of `linear`, without gradients. `blocked`: blocked_weight(weight_shadow).
at::Tensor linear_of_blocked(const at::Tensor& x, const at::Tensor& blocked,
                             const at::Tensor& bias_shadow, const InputNorm& norm = {});

// Whether this CPU multiplies bf16 matrices faster than float ones (AMX, or AVX-512-BF16 on CPUs
// other than Intel's). On other CPUs `linear` in bf16 multiplies in float and rounds at the same
// places.
bool cpu_has_bf16_gemm();

}  // namespace lait::ops
