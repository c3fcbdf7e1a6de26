// lait::segment_attention_runs: the CPU implementation, meta, and the refusal of gradients. The
// CUDA implementation is in lait/cuda.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/library.h>

#include <algorithm>

#include "lait/ops/ops.h"
#include "lait/ops/segment_attention_runs_call.h"

namespace lait::ops {
namespace {

using namespace attention;

std::tuple<Tensor, Tensor> forward_cpu(LAIT_RUNS_ARGS) {
  return forward_runs(kernels::cpu::segment_attention_forward, q, {sources, runs, run_offsets},
                      q_offsets, k_offsets, LAIT_SETTINGS);
}

std::tuple<Tensor, Tensor> forward_meta(LAIT_RUNS_ARGS) {
  check_runs(q, {sources, runs, run_offsets}, q_offsets, k_offsets, LAIT_SETTINGS);
  return outputs(q);
}

const auto& forward_op() {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("lait::segment_attention_runs", "")
                             .typed<std::tuple<Tensor, Tensor>(LAIT_RUNS_ARGS)>();
  return op;
}

std::tuple<Tensor, Tensor> forward_autograd(LAIT_RUNS_ARGS) {
  if (at::GradMode::is_enabled()) {
    const bool required =
        q.requires_grad() || (bias_table && bias_table->requires_grad()) ||
        (lexical_bias && lexical_bias->requires_grad()) ||
        std::ranges::any_of(sources, [](const Tensor& t) { return t.requires_grad(); });
    TORCH_CHECK(!required, kRunsOp,
                ": has no gradient, but q, a source or a bias requires one; use "
                "segment_attention on gathered rows, or disable gradients");
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return forward_op().call(q, sources, runs, run_offsets, q_offsets, k_offsets, scale, q_positions,
                           causal, bias_table, bias_max_distance, bias_bidirectional, dropout_p,
                           seed, step, layer, unit_ids, lexical_bias, q_words, k_words, work,
                           work_blocks);
}

TORCH_LIBRARY_IMPL(lait, CPU, m) { m.impl("segment_attention_runs", forward_cpu); }
TORCH_LIBRARY_IMPL(lait, Meta, m) { m.impl("segment_attention_runs", forward_meta); }
TORCH_LIBRARY_IMPL(lait, Autograd, m) { m.impl("segment_attention_runs", forward_autograd); }

}  // namespace

Tensor segment_attention_runs(const Tensor& q, const KeyRuns& keys, const AttentionUnits& units,
                              const AttentionSpec& spec, const kernels::Dropout& dropout) {
  TORCH_CHECK(q.dim() == 3 && q.size(1) == spec.heads && q.size(2) == spec.head_dim, kRunsOp,
              ": expected rows of ", spec.heads, " heads of ", spec.head_dim, ", got ", q.sizes());
  const AttentionBias& bias = spec.bias;
  return std::get<0>(forward_op().call(
      q, keys.sources, keys.runs, keys.run_offsets, units.q_offsets, units.k_offsets, spec.scale,
      units.q_positions, spec.causal,
      bias.table.defined() ? OptionalTensor(bias.table) : std::nullopt, bias.max_distance,
      bias.bidirectional, double{dropout.p}, static_cast<int64_t>(dropout.seed),
      int64_t{dropout.step}, int64_t{dropout.layer}, units.unit_ids, lexical_bias_of(spec),
      units.q_words, units.k_words, units.work, at::IntArrayRef(units.work_blocks)));
}

}  // namespace lait::ops
