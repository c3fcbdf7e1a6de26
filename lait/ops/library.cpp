// The one list of operators: their schemas. Implementations are registered in the file of the same
// name, beside their code.
#include <torch/library.h>

TORCH_LIBRARY(lait, m) {
  // Returns out (Tq, H, D) and lse (H, Tq).
  m.def(
      "segment_attention(Tensor q, Tensor k, Tensor v, Tensor q_offsets, Tensor k_offsets, *, "
      "float scale, "
      "Tensor? q_positions=None, bool causal=False, Tensor? bias_table=None, int "
      "bias_max_distance=128, "
      "bool bias_bidirectional=True, float dropout_p=0.0, int seed=0, int step=0, int layer=0, "
      "Tensor? unit_ids=None, "
      "Tensor? lexical_bias=None, Tensor? q_words=None, Tensor? k_words=None, "
      "Tensor? work=None, int[] work_blocks=[]) -> (Tensor out, Tensor lse)");
  // Keys in runs (ops.h, KeyRuns); without a gradient.
  m.def(
      "segment_attention_runs(Tensor q, Tensor[] sources, Tensor runs, Tensor run_offsets, Tensor "
      "q_offsets, Tensor k_offsets, *, float scale, "
      "Tensor? q_positions=None, bool causal=False, Tensor? bias_table=None, int "
      "bias_max_distance=128, "
      "bool bias_bidirectional=True, float dropout_p=0.0, int seed=0, int step=0, int layer=0, "
      "Tensor? unit_ids=None, "
      "Tensor? lexical_bias=None, Tensor? q_words=None, Tensor? k_words=None, "
      "Tensor? work=None, int[] work_blocks=[]) -> (Tensor out, Tensor lse)");
  // Writes every row of dq, dk and dv, which have the shapes of q, k and v and may be slices of one
  // tensor. Returns the gradients of the bias table and of the lexical bias, an empty tensor where
  // there is none.
  m.def(
      "segment_attention_backward(Tensor(a!) dq, Tensor(b!) dk, Tensor(c!) dv, Tensor dout, Tensor "
      "q, Tensor k, Tensor v, "
      "Tensor out, Tensor lse, Tensor q_offsets, Tensor k_offsets, *, float scale, Tensor? "
      "q_positions=None, "
      "bool causal=False, Tensor? bias_table=None, int bias_max_distance=128, bool "
      "bias_bidirectional=True, "
      "float dropout_p=0.0, int seed=0, int step=0, int layer=0, Tensor? unit_ids=None, "
      "Tensor? lexical_bias=None, Tensor? q_words=None, Tensor? k_words=None, "
      "Tensor? work=None, int[] work_blocks=[]) -> (Tensor dbias, Tensor dlexical)");
  // What CUDA needs in addition to the offsets: tiles (to be copied to the device) and work_blocks,
  // see kernels/work_list.h. The offsets are on the CPU.
  m.def(
      "attention_work(Tensor q_offsets, Tensor k_offsets, int head_dim) -> (Tensor work, int[] "
      "work_blocks)");
  m.def(
      "dropout_add(Tensor x, Tensor? residual, Tensor row_unit_ids, Tensor row_positions, *, float "
      "p, int seed, int step, "
      "int layer, int site) -> Tensor");
  m.def("gather_rows(Tensor x, Tensor index, Tensor inverse_offsets, Tensor inverse) -> Tensor");
  m.def("gather_rows_backward(Tensor dout, Tensor inverse_offsets, Tensor inverse) -> Tensor");
  m.def("unit_mean(Tensor x, Tensor offsets) -> Tensor");
  // Returns out and 1 / sqrt(mean(x^2) + epsilon) of each row.
  m.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> (Tensor out, Tensor rstd)");
  m.def(
      "rms_norm_backward(Tensor dout, Tensor x, Tensor weight, Tensor rstd) -> (Tensor dx, Tensor "
      "dweight)");
  m.def(
      "unit_mean_backward(Tensor dout, Tensor offsets, int num_rows, ScalarType dtype) -> Tensor");
}
