// lait/cuda/: the operators' CUDA implementations, a plug-in that is loaded for device: cuda.
//
// lait::segment_attention on CUDA: the operator's implementations over kernels::cuda. The work list
// is an argument of the call, so nothing here reads a tensor's values (which would wait for the
// device).
#include <torch/library.h>

#include "kernels/work_list.h"
#include "lait/cuda/current_stream.h"
#include "lait/ops/segment_attention_runs_call.h"

namespace lait::ops {
namespace {

using namespace attention;

void add_cuda(kernels::SegmentAttentionParams& p, const Tensor& q, const Settings& s) {
  TORCH_CHECK(
      s.work, kOp,
      ": CUDA needs the work list: pass work and work_blocks as lait::attention_work gives them");
  using kernels::kTeamSizes, kernels::kWorkCounts;
  TORCH_CHECK(s.work_blocks.size() == kWorkCounts, kOp, ": work_blocks must be ", kWorkCounts,
              " numbers, got ", s.work_blocks.size());
  int64_t blocks = 0;
  for (int64_t i = 0; i < kWorkCounts; ++i) {
    p.work.blocks[i / kTeamSizes][i % kTeamSizes] = static_cast<int32_t>(s.work_blocks[i]);
    blocks += s.work_blocks[i];
  }
  p.work.tiles = int_pointer(*s.work, 2 * kernels::kBlockWarps * blocks, q.device(), kOp, "work");
  p.stream = current_stream(q.device());
}

std::tuple<Tensor, Tensor> forward_cuda(const Tensor& q, const Tensor& k, const Tensor& v,
                                        const Tensor& q_offsets, const Tensor& k_offsets,
                                        LAIT_SETTINGS_ARGS) {
  const c10::DeviceGuard guard(q.device());
  const Settings s = LAIT_SETTINGS;
  auto launch = [&](kernels::SegmentAttentionParams& p) {
    add_cuda(p, q, s);
    kernels::cuda::segment_attention_forward(p);
  };
  return attention::forward(launch, q, k, v, q_offsets, k_offsets, s);
}

std::tuple<Tensor, Tensor> forward_runs_cuda(LAIT_RUNS_ARGS) {
  const c10::DeviceGuard guard(q.device());
  const Settings s = LAIT_SETTINGS;
  auto launch = [&](kernels::SegmentAttentionParams& p) {
    add_cuda(p, q, s);
    kernels::cuda::segment_attention_forward(p);
  };
  return forward_runs(launch, q, {sources, runs, run_offsets}, q_offsets, k_offsets, s);
}

std::tuple<Tensor, Tensor> backward_cuda(LAIT_BACKWARD_ARGS) {
  const c10::DeviceGuard guard(q.device());
  const Settings s = LAIT_SETTINGS;
  auto launch = [&](kernels::SegmentAttentionGradParams& g) {
    add_cuda(g.forward, q, s);
    const Tensor workspace =
        at::empty({kernels::cuda::backward_workspace_bytes(g)}, q.options().dtype(at::kByte));
    g.workspace = workspace.mutable_data_ptr();
    kernels::cuda::segment_attention_backward(g);
  };
  return attention::backward(launch, {dq, dk, dv}, dout, {q, k, v}, out, lse, q_offsets, k_offsets,
                             s);
}

TORCH_LIBRARY_IMPL(lait, CUDA, m) {
  m.impl("segment_attention", forward_cuda);
  m.impl("segment_attention_runs", forward_runs_cuda);
  m.impl("segment_attention_backward", backward_cuda);
}

}  // namespace
}  // namespace lait::ops
