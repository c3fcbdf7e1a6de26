// lait::segment_attention_runs from tensors to the kernels' Params; see segment_attention_call.h.
#pragma once
#include <vector>

#include "lait/ops/segment_attention_call.h"

namespace lait::ops::attention {

inline constexpr const char* kRunsOp = "segment_attention_runs";

#define LAIT_RUNS_ARGS                                                                    \
  const Tensor &q, at::TensorList sources, const Tensor &runs, const Tensor &run_offsets, \
      const Tensor &q_offsets, const Tensor &k_offsets, LAIT_SETTINGS_ARGS

// The tensors of the keys; what they refer to outlives the call.
struct RunTensors {
  at::TensorList sources;
  const Tensor& runs;
  const Tensor& run_offsets;
};

inline void check_runs(const Tensor& q, const RunTensors& t, const Tensor& q_offsets,
                       const Tensor& k_offsets, const Settings& s) {
  TORCH_CHECK(q.dim() == 3, kRunsOp, ": q must be (rows, heads, head_dim), got ", q.sizes());
  check_rest(q, q_offsets, k_offsets, s);
  TORCH_CHECK(t.runs.scalar_type() == at::kLong && t.runs.dim() == 2 && t.runs.size(1) == 3 &&
                  t.runs.is_contiguous() && t.runs.device() == q.device(),
              kRunsOp, ": runs must be a contiguous (runs, 3) int64 on ", q.device(), ", got ",
              t.runs.scalar_type(), " ", t.runs.sizes(), " on ", t.runs.device());
  TORCH_CHECK(!t.sources.empty() || t.runs.size(0) == 0, kRunsOp, ": runs need sources, got none");
  for (size_t i = 0; i < t.sources.size(); ++i) {
    const Tensor& source = t.sources[i];
    TORCH_CHECK(source.dim() == 4 && source.size(1) == 2 && source.size(2) == q.size(1) &&
                    source.size(3) == q.size(2) && source.scalar_type() == q.scalar_type() &&
                    source.device() == q.device(),
                kRunsOp, ": sources must be ", q.scalar_type(), " (rows, 2, ", q.size(1), ", ",
                q.size(2), ") on ", q.device(), ", got ", source.scalar_type(), " ", source.sizes(),
                " on ", source.device(), " at [", i, "]");
    TORCH_CHECK(source.stride(3) == 1 && source.stride(2) == t.sources[0].stride(2), kRunsOp,
                ": sources must have a contiguous last dimension and one stride of heads, got "
                "strides ",
                source.strides(), " at [", i, "], ", t.sources[0].strides(), " at [0]");
  }
}

// launch(SegmentAttentionParams&) runs the kernel.
template <class Launch>
std::tuple<Tensor, Tensor> forward_runs(const Launch& launch, const Tensor& q_in,
                                        const RunTensors& t, const Tensor& q_offsets,
                                        const Tensor& k_offsets, const Settings& s) {
  check_runs(q_in, t, q_offsets, k_offsets, s);
  const Tensor q = rows(q_in);
  auto [out, lse] = outputs(q);
  auto p = params_of_queries(q, out, lse, q_offsets, k_offsets, s);
  std::vector<kernels::KeySource> sources;
  sources.reserve(t.sources.size());
  for (const Tensor& source : t.sources) {
    const auto* k = static_cast<const char*>(source.const_data_ptr());
    sources.push_back(
        {k, k + source.stride(1) * static_cast<int64_t>(source.element_size()), source.stride(0)});
    p.k.head_stride = p.v.head_stride = source.stride(2);
  }
  // A tensor without elements has no address, and null would mean that there are no runs.
  static constexpr kernels::KeyRun kNone{};
  static_assert(sizeof(kernels::KeyRun) == 3 * sizeof(int64_t));
  p.runs = t.runs.size(0) == 0
               ? &kNone
               : reinterpret_cast<const kernels::KeyRun*>(t.runs.const_data_ptr<int64_t>());
  p.run_offsets = int_pointer(t.run_offsets, p.num_units + 1, q.device(), kRunsOp, "run_offsets");
  p.num_runs = t.runs.size(0);
  p.sources = sources.data();
  p.num_sources = static_cast<int64_t>(sources.size());
  launch(p);
  return {out, lse};
}

}  // namespace lait::ops::attention
