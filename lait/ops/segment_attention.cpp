// lait::segment_attention: the CPU implementation, meta and autograd, forward and backward.
// kernels/segment_attention.h states the definition, kernels/ computes it; the CUDA implementation
// is in lait/cuda.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>

#include "kernels/work_list.h"
#include "lait/ops/ops.h"
#include "lait/ops/segment_attention_call.h"

namespace lait::ops {
namespace {

using namespace attention;

std::tuple<Tensor, Tensor> forward_cpu(const Tensor& q, const Tensor& k, const Tensor& v,
                                       const Tensor& q_offsets, const Tensor& k_offsets,
                                       LAIT_SETTINGS_ARGS) {
  return attention::forward(kernels::cpu::segment_attention_forward, q, k, v, q_offsets, k_offsets,
                            LAIT_SETTINGS);
}

std::tuple<Tensor, Tensor> forward_meta(const Tensor& q, const Tensor& k, const Tensor& v,
                                        const Tensor& q_offsets, const Tensor& k_offsets,
                                        LAIT_SETTINGS_ARGS) {
  check(q, k, v, q_offsets, k_offsets, LAIT_SETTINGS);
  return outputs(q);
}

std::tuple<Tensor, Tensor> backward_cpu(LAIT_BACKWARD_ARGS) {
  return attention::backward(kernels::cpu::segment_attention_backward, {dq, dk, dv}, dout,
                             {q, k, v}, out, lse, q_offsets, k_offsets, LAIT_SETTINGS);
}

std::tuple<Tensor, Tensor> backward_meta(LAIT_BACKWARD_ARGS) {
  check(q, k, v, q_offsets, k_offsets, LAIT_SETTINGS);
  check_backward({dq, dk, dv}, dout, {q, k, v}, out, lse);
  return bias_gradients(q, LAIT_SETTINGS);
}

using Forward = std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&,
                                           const Tensor&, const Tensor&, LAIT_SETTINGS_ARGS);
using Backward = std::tuple<Tensor, Tensor>(LAIT_BACKWARD_ARGS);

const auto& forward_op() {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("lait::segment_attention", "")
                             .typed<Forward>();
  return op;
}

const auto& backward_op() {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("lait::segment_attention_backward", "")
                             .typed<Backward>();
  return op;
}

// q, k, v of the inputs: (q, k, v) themselves, q and the slices of kv (Tk, 2, H, D), or the slices
// of qkv (T, 3, H, D).
Operands slices(const Tensor& first, const OptionalTensor& second, const OptionalTensor& third) {
  if (third) return {first, *second, *third};
  if (second) return {first, second->select(1, 0), second->select(1, 1)};
  return {first.select(1, 0), first.select(1, 1), first.select(1, 2)};
}

// The inputs are one, two or three tensors, see `slices`, and so are the gradients: nothing is
// copied to join the gradients of one product's outputs.
struct SegmentAttention : torch::autograd::Function<SegmentAttention> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const Tensor& first, const OptionalTensor& second,
                                                const OptionalTensor& third,
                                                const Tensor& q_offsets, const Tensor& k_offsets,
                                                LAIT_SETTINGS_ARGS) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [q, k, v] = slices(first, second, third);
    auto [out, lse] =
        forward_op().call(q, k, v, q_offsets, k_offsets, scale, q_positions, causal, bias_table,
                          bias_max_distance, bias_bidirectional, dropout_p, seed, step, layer,
                          unit_ids, lexical_bias, q_words, k_words, work, work_blocks);
    auto or_none = [](const OptionalTensor& t) { return t.value_or(Tensor()); };
    ctx->save_for_backward({first, or_none(second), or_none(third), out, lse, q_offsets, k_offsets,
                            or_none(q_positions), or_none(bias_table), or_none(unit_ids),
                            or_none(work), or_none(lexical_bias), or_none(q_words),
                            or_none(k_words)});
    ctx->saved_data["numbers"] = c10::IValue(std::vector<double>{scale, dropout_p});
    ctx->saved_data["ints"] = c10::IValue(
        std::vector<int64_t>{causal, bias_max_distance, bias_bidirectional, seed, step, layer});
    ctx->saved_data["work_blocks"] = c10::IValue(work_blocks.vec());
    ctx->mark_non_differentiable({lse});
    ctx->set_materialize_grads(false);  // no zeros for lse's gradient
    return {out, lse};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    torch::autograd::variable_list out(21);
    if (!grads[0].defined()) return out;
    const auto t = ctx->get_saved_variables();
    const auto numbers = ctx->saved_data["numbers"].toDoubleVector();
    const auto ints = ctx->saved_data["ints"].toIntVector();
    const auto work_blocks = ctx->saved_data["work_blocks"].toIntVector();
    auto optional = [](const Tensor& x) { return x.defined() ? OptionalTensor(x) : std::nullopt; };
    for (size_t i = 0; i < 3; ++i) {
      if (t[i].defined()) out[i] = at::empty(t[i].sizes(), t[i].options());
    }
    const auto [q, k, v] = slices(t[0], optional(t[1]), optional(t[2]));
    const auto [dq, dk, dv] = slices(out[0], optional(out[1]), optional(out[2]));
    const auto [dbias, dlexical] =
        backward_op().call(dq, dk, dv, grads[0], q, k, v, t[3], t[4], t[5], t[6], numbers[0],
                           optional(t[7]), ints[0] != 0, optional(t[8]), ints[1], ints[2] != 0,
                           numbers[1], ints[3], ints[4], ints[5], optional(t[9]), optional(t[11]),
                           optional(t[12]), optional(t[13]), optional(t[10]), work_blocks);
    if (t[8].defined()) out[8] = dbias;
    if (t[11].defined()) out[16] = dlexical;
    return out;
  }
};

Tensor attention_of(const Tensor& first, const OptionalTensor& second, const OptionalTensor& third,
                    const AttentionUnits& units, const AttentionSpec& spec,
                    const kernels::Dropout& dropout) {
  TORCH_CHECK(first.size(-2) == spec.heads && first.size(-1) == spec.head_dim, kOp,
              ": expected rows of ", spec.heads, " heads of ", spec.head_dim, ", got ",
              first.sizes());
  const AttentionBias& bias = spec.bias;
  return SegmentAttention::apply(
      first, second, third, units.q_offsets, units.k_offsets, spec.scale, units.q_positions,
      spec.causal, bias.table.defined() ? OptionalTensor(bias.table) : std::nullopt,
      bias.max_distance, bias.bidirectional, double{dropout.p}, static_cast<int64_t>(dropout.seed),
      int64_t{dropout.step}, int64_t{dropout.layer}, units.unit_ids, lexical_bias_of(spec),
      units.q_words, units.k_words, units.work, at::IntArrayRef(units.work_blocks))[0];
}

std::tuple<Tensor, Tensor> forward_autograd(const Tensor& q, const Tensor& k, const Tensor& v,
                                            const Tensor& q_offsets, const Tensor& k_offsets,
                                            LAIT_SETTINGS_ARGS) {
  const auto out = SegmentAttention::apply(
      q, OptionalTensor(k), OptionalTensor(v), q_offsets, k_offsets, scale, q_positions, causal,
      bias_table, bias_max_distance, bias_bidirectional, dropout_p, seed, step, layer, unit_ids,
      lexical_bias, q_words, k_words, work, work_blocks);
  return {out[0], out[1]};
}

TORCH_LIBRARY_IMPL(lait, CPU, m) {
  m.impl("attention_work", attention_work);
  m.impl("segment_attention", forward_cpu);
  m.impl("segment_attention_backward", backward_cpu);
}
TORCH_LIBRARY_IMPL(lait, Meta, m) {
  m.impl("segment_attention", forward_meta);
  m.impl("segment_attention_backward", backward_meta);
}
TORCH_LIBRARY_IMPL(lait, Autograd, m) { m.impl("segment_attention", forward_autograd); }

}  // namespace

std::tuple<Tensor, std::vector<int64_t>> attention_work(const Tensor& q_offsets,
                                                        const Tensor& k_offsets, int64_t head_dim) {
  const int64_t size = q_offsets.numel();
  check_head_dim(head_dim, "attention_work");
  TORCH_CHECK(size > 0, "attention_work: offsets must have units + 1 elements, got none");
  const auto list = kernels::make_work_list(
      int_pointer(q_offsets, size, at::kCPU, "attention_work", "q_offsets"),
      int_pointer(k_offsets, size, at::kCPU, "attention_work", "k_offsets"), size - 1, head_dim);
  const Tensor tiles = at::empty({static_cast<int64_t>(list.tiles.size())}, q_offsets.options());
  std::ranges::copy(list.tiles, tiles.mutable_data_ptr<int32_t>());
  return {tiles, list.counts()};
}

Tensor segment_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                         const AttentionUnits& units, const AttentionSpec& spec,
                         const kernels::Dropout& dropout) {
  return attention_of(q, k, v, units, spec, dropout);
}

Tensor segment_attention_kvpacked(const Tensor& q, const Tensor& kv, const AttentionUnits& units,
                                  const AttentionSpec& spec, const kernels::Dropout& dropout) {
  TORCH_CHECK(kv.dim() == 4 && kv.size(1) == 2, kOp,
              "_kvpacked: kv must be (rows, 2, heads, head_dim), got ", kv.sizes());
  return attention_of(q, kv, std::nullopt, units, spec, dropout);
}

Tensor segment_attention_qkvpacked(const Tensor& qkv, const AttentionUnits& units,
                                   const AttentionSpec& spec, const kernels::Dropout& dropout) {
  TORCH_CHECK(qkv.dim() == 4 && qkv.size(1) == 3, kOp,
              "_qkvpacked: qkv must be (rows, 3, heads, head_dim), got ", qkv.sizes());
  return attention_of(qkv, std::nullopt, std::nullopt, units, spec, dropout);
}

}  // namespace lait::ops
