// lait::segment_attention from tensors to the kernels' Params: checks, views, outputs. The CPU and
// CUDA implementations share this and differ only in the kernel.
#pragma once
#include <ATen/ops/empty.h>

#include <tuple>
#include <utility>

#include "kernels/segment_attention.h"
#include "lait/ops/kernel_calls.h"
#include "lait/ops/ops.h"

namespace lait::ops::attention {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
inline constexpr const char* kOp = "segment_attention";

inline OptionalTensor lexical_bias_of(const AttentionSpec& spec) {
  return spec.lexical_bias.defined() ? OptionalTensor(spec.lexical_bias) : std::nullopt;
}

// The arguments after the tensors, in the schema's order.
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
  OptionalTensor lexical_bias, q_words, k_words;
  OptionalTensor work;  // CUDA: tiles and blocks of lait::attention_work
  at::IntArrayRef work_blocks;
};

// Checks what is the same wherever the keys lie.
inline void check_rest(const Tensor& q, const Tensor& q_offsets, const Tensor& k_offsets,
                       const Settings& s) {
  kernel_dtype(q, kOp);
  check_head_dim(q.size(2), kOp);
  TORCH_CHECK(
      q_offsets.dim() == 1 && q_offsets.sizes() == k_offsets.sizes() && q_offsets.size(0) > 0, kOp,
      ": q_offsets and k_offsets must be vectors of one length (units + 1), got ",
      q_offsets.sizes(), " and ", k_offsets.sizes());
  TORCH_CHECK(s.dropout_p == 0 || s.unit_ids, kOp, ": dropout needs unit_ids");
  if (s.bias_table) {
    TORCH_CHECK(s.bias_table->device() == q.device() && s.bias_table->dim() == 2 &&
                    s.bias_table->size(1) == q.size(1) &&
                    s.bias_table->scalar_type() == accumulate_type(q) &&
                    s.bias_table->is_contiguous(),
                kOp, ": bias_table must be a contiguous (num_buckets, heads) ", accumulate_type(q),
                " on ", q.device(), ", got ", s.bias_table->scalar_type(), " ",
                s.bias_table->sizes(), " on ", s.bias_table->device());
  }
  if (s.lexical_bias) {
    TORCH_CHECK(s.lexical_bias->device() == q.device() && s.lexical_bias->dim() == 1 &&
                    s.lexical_bias->size(0) == q.size(1) &&
                    s.lexical_bias->scalar_type() == accumulate_type(q) &&
                    s.lexical_bias->is_contiguous(),
                kOp, ": lexical_bias must be a contiguous (heads) ", accumulate_type(q), " on ",
                q.device(), ", got ", s.lexical_bias->scalar_type(), " ", s.lexical_bias->sizes(),
                " on ", s.lexical_bias->device());
    TORCH_CHECK(s.q_words && s.k_words, kOp, ": lexical_bias needs q_words and k_words");
  }
}

inline void check(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets,
                  const Tensor& k_offsets, const Settings& s) {
  TORCH_CHECK(q.dim() == 3 && k.dim() == 3 && v.dim() == 3, kOp,
              ": q, k and v must be (rows, heads, head_dim), got ", q.sizes(), ", ", k.sizes(),
              ", ", v.sizes());
  TORCH_CHECK(k.sizes() == v.sizes() && q.size(1) == k.size(1) && q.size(2) == k.size(2), kOp,
              ": q, k and v must agree in heads and head_dim, k and v in rows, got ", q.sizes(),
              ", ", k.sizes(), ", ", v.sizes());
  TORCH_CHECK(q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type(), kOp,
              ": q, k and v must have one dtype, got ", q.scalar_type(), ", ", k.scalar_type(),
              ", ", v.scalar_type());
  for (const Tensor* t : {&k, &v})
    TORCH_CHECK(t->device() == q.device(), kOp, ": q is on ", q.device(), ", k or v on ",
                t->device());
  check_rest(q, q_offsets, k_offsets, s);
}

struct Operands {
  Tensor q, k, v;
};

// Checks what backward takes in addition to forward's arguments.
inline void check_backward(const Operands& gradients, const Tensor& dout, const Operands& in,
                           const Tensor& out, const Tensor& lse) {
  struct Pair {
    const char *name, *other;
    const Tensor &t, &like;
  };
  const Tensor& q = in.q;
  for (const Pair& pair : {Pair{"dout", "q", dout, q},
                           {"out", "q", out, q},
                           {"dq", "q", gradients.q, q},
                           {"dk", "k", gradients.k, in.k},
                           {"dv", "v", gradients.v, in.v}}) {
    const auto& [name, other, t, like] = pair;
    TORCH_CHECK(
        t.sizes() == like.sizes() && t.scalar_type() == q.scalar_type() && t.device() == q.device(),
        kOp, "_backward: ", name, " must be as ", other, ", ", q.scalar_type(), " ", like.sizes(),
        " on ", q.device(), ", got ", t.scalar_type(), " ", t.sizes(), " on ", t.device());
  }
  for (const Tensor* t : {&gradients.q, &gradients.k, &gradients.v})
    TORCH_CHECK(t->stride(2) == 1, kOp,
                "_backward: dq, dk and dv must have a contiguous last dimension, got strides ",
                t->strides());
  TORCH_CHECK(lse.dim() == 2 && lse.size(0) == q.size(1) && lse.size(1) == q.size(0) &&
                  lse.scalar_type() == accumulate_type(q) && lse.device() == q.device() &&
                  lse.is_contiguous(),
              kOp, "_backward: lse must be forward's, a contiguous ", accumulate_type(q), " [",
              q.size(1), ", ", q.size(0), "] on ", q.device(), ", got ", lse.scalar_type(), " ",
              lse.sizes(), " of strides ", lse.strides(), " on ", lse.device());
}

// A view with a contiguous last dimension; copies only if the last dimension is not contiguous.
inline Tensor rows(const Tensor& t) { return t.stride(2) == 1 ? t : t.contiguous(); }

template <class Pointer>
kernels::Rows<Pointer> view(const Tensor& t) {
  return {const_cast<void*>(t.const_data_ptr()), t.stride(0), t.stride(1)};
}

// The parameters without the keys. Without runs k_words has a word for each row of keys; with
// runs, for each key of the units, whose number only the offsets' values say.
inline kernels::SegmentAttentionParams params_of_queries(const Tensor& q, const Tensor& out,
                                                         const Tensor& lse, const Tensor& q_offsets,
                                                         const Tensor& k_offsets,
                                                         const Settings& s) {
  kernels::SegmentAttentionParams p;
  p.dtype = kernel_dtype(q, kOp);
  p.num_units = q_offsets.size(0) - 1;
  p.num_heads = q.size(1);
  p.head_dim = q.size(2);
  p.num_q_rows = q.size(0);
  p.scale = static_cast<float>(s.scale);
  p.causal = s.causal;
  p.q = view<const void*>(q);
  p.out = view<void*>(out);
  p.lse = const_cast<void*>(lse.const_data_ptr());
  p.q_offsets = int_pointer(q_offsets, -1, q.device(), kOp, "q_offsets");
  p.k_offsets = int_pointer(k_offsets, -1, q.device(), kOp, "k_offsets");
  if (s.q_positions)
    p.q_positions = int_pointer(*s.q_positions, q.size(0), q.device(), kOp, "q_positions");
  if (s.bias_table) {
    p.bias = {static_cast<const float*>(s.bias_table->const_data_ptr()),
              static_cast<int32_t>(s.bias_table->size(0)),
              static_cast<int32_t>(s.bias_max_distance), s.bias_bidirectional};
  }
  if (s.lexical_bias) {
    p.lexical = {static_cast<const float*>(s.lexical_bias->const_data_ptr()),
                 int_pointer(*s.q_words, q.size(0), q.device(), kOp, "q_words"),
                 int_pointer(*s.k_words, -1, q.device(), kOp, "k_words")};
  }
  p.dropout = make_dropout(s.dropout_p, s.seed, s.step, s.layer,
                           static_cast<int64_t>(kernels::Site::kAttention), kOp);
  if (s.unit_ids) p.unit_ids = int_pointer(*s.unit_ids, p.num_units, q.device(), kOp, "unit_ids");
  p.parallel = parallel_loop;
  return p;
}

inline kernels::SegmentAttentionParams params(const Tensor& q, const Tensor& k, const Tensor& v,
                                              const Tensor& out, const Tensor& lse,
                                              const Tensor& q_offsets, const Tensor& k_offsets,
                                              const Settings& s) {
  auto p = params_of_queries(q, out, lse, q_offsets, k_offsets, s);
  if (s.lexical_bias) int_pointer(*s.k_words, k.size(0), q.device(), kOp, "k_words");
  p.num_k_rows = k.size(0);
  p.k = view<const void*>(k);
  p.v = view<const void*>(v);
  return p;
}

inline std::tuple<Tensor, Tensor> outputs(const Tensor& q) {
  return {at::empty(q.sizes(), q.options()),
          at::empty({q.size(1), q.size(0)}, q.options().dtype(accumulate_type(q)))};
}

// Of the bias table and of the lexical bias; empty where there is none.
inline std::tuple<Tensor, Tensor> bias_gradients(const Tensor& q, const Settings& s) {
  auto like = [&](const OptionalTensor& bias) {
    return bias ? at::empty(bias->sizes(), bias->options())
                : at::empty({0}, q.options().dtype(accumulate_type(q)));
  };
  return {like(s.bias_table), like(s.lexical_bias)};
}

// launch(SegmentAttentionParams&) runs the kernel.
template <class Launch>
std::tuple<Tensor, Tensor> forward(const Launch& launch, const Tensor& q_in, const Tensor& k_in,
                                   const Tensor& v_in, const Tensor& q_offsets,
                                   const Tensor& k_offsets, const Settings& s) {
  check(q_in, k_in, v_in, q_offsets, k_offsets, s);
  const Tensor q = rows(q_in), k = rows(k_in), v = rows(v_in);
  auto [out, lse] = outputs(q);
  auto p = params(q, k, v, out, lse, q_offsets, k_offsets, s);
  launch(p);
  return {out, lse};
}

// launch(SegmentAttentionGradParams&) runs the kernel.
template <class Launch>
std::tuple<Tensor, Tensor> backward(const Launch& launch, const Operands& gradients,
                                    const Tensor& dout_in, const Operands& in, const Tensor& out_in,
                                    const Tensor& lse, const Tensor& q_offsets,
                                    const Tensor& k_offsets, const Settings& s) {
  check(in.q, in.k, in.v, q_offsets, k_offsets, s);
  check_backward(gradients, dout_in, in, out_in, lse);
  const Tensor q = rows(in.q), k = rows(in.k), v = rows(in.v), out = rows(out_in),
               dout = rows(dout_in);
  const auto [dbias, dlexical] = bias_gradients(q, s);
  kernels::SegmentAttentionGradParams g;
  g.forward = params(q, k, v, out, lse, q_offsets, k_offsets, s);
  g.dout = view<const void*>(dout);
  g.dq = view<void*>(gradients.q);
  g.dk = view<void*>(gradients.k);
  g.dv = view<void*>(gradients.v);
  if (s.bias_table) g.bias_grad = dbias.mutable_data_ptr();
  if (s.lexical_bias) g.lexical_grad = dlexical.mutable_data_ptr();
  launch(g);
  return {dbias, dlexical};
}

#define LAIT_BACKWARD_ARGS                                                                   \
  const Tensor &dq, const Tensor &dk, const Tensor &dv, const Tensor &dout, const Tensor &q, \
      const Tensor &k, const Tensor &v, const Tensor &out, const Tensor &lse,                \
      const Tensor &q_offsets, const Tensor &k_offsets, LAIT_SETTINGS_ARGS
#define LAIT_SETTINGS_ARGS                                                                        \
  double scale, const OptionalTensor &q_positions, bool causal, const OptionalTensor &bias_table, \
      int64_t bias_max_distance, bool bias_bidirectional, double dropout_p, int64_t seed,         \
      int64_t step, int64_t layer, const OptionalTensor &unit_ids,                                \
      const OptionalTensor &lexical_bias, const OptionalTensor &q_words,                          \
      const OptionalTensor &k_words, const OptionalTensor &work, at::IntArrayRef work_blocks
#define LAIT_SETTINGS                                                                         \
  Settings {                                                                                  \
    scale, q_positions, causal, bias_table, bias_max_distance, bias_bidirectional, dropout_p, \
        seed, step, layer, unit_ids, lexical_bias, q_words, k_words, work, work_blocks        \
  }

}  // namespace lait::ops::attention
