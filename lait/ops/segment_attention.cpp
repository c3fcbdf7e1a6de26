// lait::segment_attention: checks, Params, dispatch; forward, backward, meta and autograd. The law is in
// kernels/segment_attention.h, the numbers in kernels/.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "kernels/segment_attention.h"
#include "lait/ops/kernel_calls.h"
#include "lait/ops/ops.h"

namespace lait::ops {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
constexpr const char* kOp = "segment_attention";

// The arguments behind the tensors, as the schema lists them.
struct Settings {
  double scale;
  OptionalTensor q_positions;
  bool causal;
  OptionalTensor bias_table;
  int64_t bias_max_distance;
  bool bias_bidirectional;
  double dropout_p;
  int64_t seed, step, layer;
  OptionalTensor unit_ids;
};

void check(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets, const Tensor& k_offsets,
           const Settings& s) {
  TORCH_CHECK(q.dim() == 3 && k.dim() == 3 && v.dim() == 3, kOp, ": q, k and v must be (rows, heads, head_dim), got ",
              q.sizes(), ", ", k.sizes(), ", ", v.sizes());
  TORCH_CHECK(k.sizes() == v.sizes() && q.size(1) == k.size(1) && q.size(2) == k.size(2), kOp,
              ": q, k and v must agree in heads and head_dim, k and v in rows, got ", q.sizes(), ", ", k.sizes(), ", ",
              v.sizes());
  TORCH_CHECK(q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type(), kOp,
              ": q, k and v must have one dtype, got ", q.scalar_type(), ", ", k.scalar_type(), ", ", v.scalar_type());
  kernel_dtype(q, kOp);
  TORCH_CHECK(std::ranges::find(kernels::kHeadDims, q.size(2)) != std::end(kernels::kHeadDims), kOp,
              ": head_dim must be one of {32, 64, 128}, got ", q.size(2));
  TORCH_CHECK(q_offsets.dim() == 1 && q_offsets.sizes() == k_offsets.sizes() && q_offsets.size(0) > 0, kOp,
              ": q_offsets and k_offsets must be vectors of one length (units + 1), got ", q_offsets.sizes(), " and ",
              k_offsets.sizes());
  TORCH_CHECK(s.dropout_p == 0 || s.unit_ids, kOp, ": dropout needs unit_ids");
  if (s.bias_table) {
    TORCH_CHECK(s.bias_table->dim() == 2 && s.bias_table->size(1) == q.size(1) &&
                    s.bias_table->scalar_type() == accumulate_type(q) && s.bias_table->is_contiguous(),
                kOp, ": bias_table must be a contiguous (num_buckets, heads) ", accumulate_type(q), ", got ",
                s.bias_table->scalar_type(), " ", s.bias_table->sizes());
  }
}

// A view with a contiguous last dimension; copies only where there is none.
Tensor rows(const Tensor& t) { return t.stride(2) == 1 ? t : t.contiguous(); }

template <class Pointer>
kernels::Rows<Pointer> view(const Tensor& t) {
  return {const_cast<void*>(t.const_data_ptr()), t.stride(0), t.stride(1)};
}

kernels::SegmentAttentionParams params(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
                                       const Tensor& lse, const Tensor& q_offsets, const Tensor& k_offsets,
                                       const Settings& s) {
  kernels::SegmentAttentionParams p;
  p.dtype = kernel_dtype(q, kOp);
  p.num_units = q_offsets.size(0) - 1;
  p.num_heads = q.size(1);
  p.head_dim = q.size(2);
  p.num_q_rows = q.size(0);
  p.num_k_rows = k.size(0);
  p.scale = static_cast<float>(s.scale);
  p.causal = s.causal;
  p.q = view<const void*>(q);
  p.k = view<const void*>(k);
  p.v = view<const void*>(v);
  p.out = view<void*>(out);
  p.lse = const_cast<void*>(lse.const_data_ptr());
  p.q_offsets = int_pointer(q_offsets, -1, kOp, "q_offsets");
  p.k_offsets = int_pointer(k_offsets, -1, kOp, "k_offsets");
  if (s.q_positions) p.q_positions = int_pointer(*s.q_positions, q.size(0), kOp, "q_positions");
  if (s.bias_table) {
    p.bias = {static_cast<const float*>(s.bias_table->const_data_ptr()), static_cast<int32_t>(s.bias_table->size(0)),
              static_cast<int32_t>(s.bias_max_distance), s.bias_bidirectional};
  }
  p.dropout = make_dropout(s.dropout_p, s.seed, s.step, s.layer, static_cast<int64_t>(kernels::Site::kAttention), kOp);
  if (s.unit_ids) p.unit_ids = int_pointer(*s.unit_ids, p.num_units, kOp, "unit_ids");
  p.parallel = parallel_loop;
  return p;
}

std::tuple<Tensor, Tensor> outputs(const Tensor& q) {
  return {at::empty(q.sizes(), q.options()), at::empty({q.size(1), q.size(0)}, q.options().dtype(accumulate_type(q)))};
}

std::tuple<Tensor, Tensor, Tensor> gradients(const Tensor& q, const Tensor& k, const Tensor& v) {
  return {at::empty(q.sizes(), q.options()), at::empty(k.sizes(), k.options()), at::empty(v.sizes(), v.options())};
}

Tensor bias_gradient(const Tensor& q, const Settings& s) {
  return s.bias_table ? at::empty(s.bias_table->sizes(), s.bias_table->options())
                      : at::empty({0}, q.options().dtype(accumulate_type(q)));
}

#define LAIT_SETTINGS_ARGS                                                                                            \
  double scale, const OptionalTensor &q_positions, bool causal, const OptionalTensor &bias_table,                     \
      int64_t bias_max_distance, bool bias_bidirectional, double dropout_p, int64_t seed, int64_t step, int64_t layer, \
      const OptionalTensor &unit_ids
#define LAIT_SETTINGS                                                                                       \
  Settings { scale, q_positions, causal, bias_table, bias_max_distance, bias_bidirectional, dropout_p, seed, \
             step, layer, unit_ids }

std::tuple<Tensor, Tensor> forward_cpu(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in, const Tensor& q_offsets,
                                       const Tensor& k_offsets, LAIT_SETTINGS_ARGS) {
  const Settings s = LAIT_SETTINGS;
  check(q_in, k_in, v_in, q_offsets, k_offsets, s);
  const Tensor q = rows(q_in), k = rows(k_in), v = rows(v_in);
  auto [out, lse] = outputs(q);
  kernels::cpu::segment_attention_forward(params(q, k, v, out, lse, q_offsets, k_offsets, s));
  return {out, lse};
}

std::tuple<Tensor, Tensor> forward_meta(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets,
                                        const Tensor& k_offsets, LAIT_SETTINGS_ARGS) {
  check(q, k, v, q_offsets, k_offsets, LAIT_SETTINGS);
  return outputs(q);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> backward_cpu(const Tensor& dout_in, const Tensor& q_in, const Tensor& k_in,
                                                        const Tensor& v_in, const Tensor& out, const Tensor& lse,
                                                        const Tensor& q_offsets, const Tensor& k_offsets,
                                                        LAIT_SETTINGS_ARGS) {
  const Settings s = LAIT_SETTINGS;
  check(q_in, k_in, v_in, q_offsets, k_offsets, s);
  const Tensor q = rows(q_in), k = rows(k_in), v = rows(v_in), dout = rows(dout_in);
  TORCH_CHECK(dout.sizes() == q.sizes() && out.sizes() == q.sizes(), kOp, "_backward: dout and out must have q's shape ",
              q.sizes(), ", got ", dout.sizes(), " and ", out.sizes());
  TORCH_CHECK(dout.scalar_type() == q.scalar_type(), kOp, "_backward: dout must have q's dtype ", q.scalar_type(),
              ", got ", dout.scalar_type());
  auto [dq, dk, dv] = gradients(q, k, v);
  const Tensor dbias = bias_gradient(q, s);
  kernels::SegmentAttentionGradParams g;
  g.forward = params(q, k, v, out, lse, q_offsets, k_offsets, s);
  g.dout = view<const void*>(dout);
  g.dq = view<void*>(dq);
  g.dk = view<void*>(dk);
  g.dv = view<void*>(dv);
  if (s.bias_table) g.bias_grad = dbias.mutable_data_ptr();
  kernels::cpu::segment_attention_backward(g);
  return {dq, dk, dv, dbias};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> backward_meta(const Tensor&, const Tensor& q, const Tensor& k, const Tensor& v,
                                                         const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                                         LAIT_SETTINGS_ARGS) {
  auto [dq, dk, dv] = gradients(q, k, v);
  return {dq, dk, dv, bias_gradient(q, LAIT_SETTINGS)};
}

using Forward = std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                           LAIT_SETTINGS_ARGS);
using Backward = std::tuple<Tensor, Tensor, Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                                            const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                                            LAIT_SETTINGS_ARGS);

const auto& forward_op() {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("lait::segment_attention", "").typed<Forward>();
  return op;
}

const auto& backward_op() {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("lait::segment_attention_backward", "").typed<Backward>();
  return op;
}

struct SegmentAttention : torch::autograd::Function<SegmentAttention> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const Tensor& q, const Tensor& k,
                                                const Tensor& v, const Tensor& q_offsets, const Tensor& k_offsets,
                                                LAIT_SETTINGS_ARGS) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [out, lse] = forward_op().call(q, k, v, q_offsets, k_offsets, scale, q_positions, causal, bias_table,
                                        bias_max_distance, bias_bidirectional, dropout_p, seed, step, layer, unit_ids);
    auto or_none = [](const OptionalTensor& t) { return t.value_or(Tensor()); };
    ctx->save_for_backward({q, k, v, out, lse, q_offsets, k_offsets, or_none(q_positions), or_none(bias_table),
                            or_none(unit_ids)});
    ctx->saved_data["numbers"] = c10::IValue(std::vector<double>{scale, dropout_p});
    ctx->saved_data["ints"] = c10::IValue(
        std::vector<int64_t>{causal, bias_max_distance, bias_bidirectional, seed, step, layer});
    ctx->mark_non_differentiable({lse});
    return {out, lse};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto t = ctx->get_saved_variables();
    const auto numbers = ctx->saved_data["numbers"].toDoubleVector();
    const auto ints = ctx->saved_data["ints"].toIntVector();
    auto optional = [](const Tensor& x) { return x.defined() ? OptionalTensor(x) : std::nullopt; };
    auto [dq, dk, dv, dbias] = backward_op().call(grads[0], t[0], t[1], t[2], t[3], t[4], t[5], t[6], numbers[0],
                                                  optional(t[7]), ints[0] != 0, optional(t[8]), ints[1], ints[2] != 0,
                                                  numbers[1], ints[3], ints[4], ints[5], optional(t[9]));
    torch::autograd::variable_list out(16);
    out[0] = dq;
    out[1] = dk;
    out[2] = dv;
    if (t[8].defined()) out[8] = dbias;
    return out;
  }
};

std::tuple<Tensor, Tensor> forward_autograd(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets,
                                            const Tensor& k_offsets, LAIT_SETTINGS_ARGS) {
  const auto out = SegmentAttention::apply(q, k, v, q_offsets, k_offsets, scale, q_positions, causal, bias_table,
                                           bias_max_distance, bias_bidirectional, dropout_p, seed, step, layer, unit_ids);
  return {out[0], out[1]};
}

TORCH_LIBRARY_IMPL(lait, CPU, m) {
  m.impl("segment_attention", forward_cpu);
  m.impl("segment_attention_backward", backward_cpu);
}
TORCH_LIBRARY_IMPL(lait, Meta, m) {
  m.impl("segment_attention", forward_meta);
  m.impl("segment_attention_backward", backward_meta);
}
TORCH_LIBRARY_IMPL(lait, Autograd, m) { m.impl("segment_attention", forward_autograd); }

}  // namespace

Tensor segment_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionUnits& units, double scale,
                         const kernels::Dropout& dropout) {
  return std::get<0>(forward_op().call(q, k, v, units.q_offsets, units.k_offsets, scale, units.q_positions,
                                       /*causal=*/false, /*bias_table=*/std::nullopt, /*bias_max_distance=*/128,
                                       /*bias_bidirectional=*/true, dropout.p, static_cast<int64_t>(dropout.seed),
                                       dropout.step, dropout.layer, units.unit_ids));
}

}  // namespace lait::ops
