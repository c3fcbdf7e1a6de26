// kernels/: raw pointers and sizes, no LibTorch: attention, row operations, the random generator.
//
// Segment attention: the mask is given by offsets alone. Packed rows are cut into units (segments,
// groups or examples) and a query sees exactly the keys of its unit (LAIT, arXiv 2305.19585,
// section 3). Raw pointers only.
//
// The alphabet, here and nowhere else:
//   T packed rows (tokens; Tq of queries, Tk of keys), G units, H heads, D head dim,
//   C width = H * D, L layers, P independent layers, R runs of keys;
//   in unit g: m queries, n keys, i a query's and j a key's index in the unit.
//
// The plain loop (kernels/reference/segment_attention.cpp):
//   s(i, j) = scale * q_i . k_j + bias(j - position_i) + lexical * match(i, j)
//             for keys j that causality allows (j <= position_i)
//   p(i, j) = softmax over j of s;  lse_i = log sum_j exp s(i, j)
//   out_i   = sum_j p(i, j) * keep(i, j) / (1 - dropout.p) * v_j
// position_i = q_positions[i], or n - m + i where q_positions is null. A query without keys (n = 0,
// or causality leaves none) gives out = 0, lse = -infinity. Rows outside every unit (before
// offsets[0], from offsets[G] on) give out = 0, lse = -infinity, and zero gradients. They are
// called dead rows; GEMMs run on a number of rows rounded up to a multiple of 16. match(i, j) is 1
// if the words of i and j match (lexical_bias.h), else 0.
//
// Every implementation keeps these laws: a unit's result has the same bits wherever the unit lies
// and whatever its neighbours are; accumulation in float (double for double); backward is
// deterministic.
#pragma once
#include <cstdint>
#include <string>

#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "kernels/work_list.h"

namespace lait::kernels {

enum class DType { kFloat32, kBfloat16, kFloat64 };

// A strided (T, H, D) view; D is contiguous. Strides in elements.
template <class Pointer>
struct Rows {
  Pointer data = nullptr;
  int64_t row_stride = 0;
  int64_t head_stride = 0;
};

// T5's relative position bias: bucket(j - position_i) as in Hugging Face's
// T5Attention._relative_position_bucket.
struct PositionBias {
  // (num_buckets, H), float in every dtype but double (then double*, cast); null: no bias
  const float* table = nullptr;
  int32_t num_buckets = 32;
  int32_t max_distance = 128;
  bool bidirectional = true;  // an encoder's; false: a causal decoder's
};

// The lexical bias: a scalar of each head, added where the words of a query and a key match
// (lexical_bias.h).
struct LexicalBias {
  // (H), float in every dtype but double (then double*, cast); null: no bias
  const float* table = nullptr;
  const int32_t* q_words = nullptr;  // (Tq)
  // (k_offsets[G]): of key j of unit g at k_offsets[g] + j, wherever the key lies
  const int32_t* k_words = nullptr;
};

// Keys in runs, for inference: a unit's keys are not rows one after another but up to a few runs of
// them, in any of several sources, and units may share runs. Key j of the unit is row j of its runs
// put together, so k_offsets still give the number of keys, and the result has the same bits as
// with the rows copied together.
//
// An offset counts elements, not rows: records of a mapped file begin at multiples of 64 bytes,
// which need not be multiples of a row.
struct KeySource {
  const void* k = nullptr;  // where offset 0 of the source's keys is
  const void* v = nullptr;  // and of its values
  int64_t row_stride = 0;   // of both, in elements; head strides are those of params.k and params.v
};
// Three int64: a tensor (R, 3) holds runs as they are.
struct KeyRun {
  int64_t source;  // index in params.sources
  int64_t offset;  // from the source's k and v to the run's first row, in elements
  int64_t length;  // in rows, may be 0
};

// What CUDA needs besides the offsets: the list made by work_list.h, with its tiles on the device.
struct WorkList {
  const int32_t* tiles = nullptr;
  int32_t blocks[kWorkParts][kTeamSizes] = {};
};

struct SegmentAttentionParams {
  DType dtype = DType::kFloat32;
  int64_t num_units = 0;   // G
  int64_t num_heads = 0;   // H
  int64_t head_dim = 0;    // D, one of kHeadDims
  int64_t num_q_rows = 0;  // Tq, dead rows included
  int64_t num_k_rows = 0;  // Tk, dead rows included; not read with runs
  float scale = 1;         // 1 / sqrt(D) for BERT, 1 for T5
  bool causal = false;

  Rows<const void*> q;  // (Tq, H, D)
  Rows<const void*> k;  // (Tk, H, D); with runs only its head_stride is read
  Rows<const void*> v;  // (Tk, H, D); with runs only its head_stride is read
  Rows<void*> out;      // (Tq, H, D)
  void* lse = nullptr;  // (H, Tq) float (double for double); may be null in inference

  const int32_t* q_offsets = nullptr;    // (G + 1), non-decreasing, within [0, Tq]
  const int32_t* k_offsets = nullptr;    // (G + 1), non-decreasing, within [0, Tk]
  const int32_t* q_positions = nullptr;  // (Tq), or null: n - m + i

  // Keys in runs; forward only. null: the keys are rows k_offsets[g] … of k and v.
  const KeyRun* runs = nullptr;          // (R); run_offsets[g] … run_offsets[g + 1] are unit g's
  const int32_t* run_offsets = nullptr;  // (G + 1), non-decreasing, within [0, R]
  int64_t num_runs = 0;                  // R
  const KeySource* sources = nullptr;    // (num_sources), in host memory on CUDA, too
  int64_t num_sources = 0;               // on CUDA at most cuda::kMaxSources

  PositionBias bias;
  LexicalBias lexical;
  Dropout dropout;
  // (G) unit ids of the dropout key (bits of a uint32); not null where dropout.p > 0
  const int32_t* unit_ids = nullptr;

  ParallelFor parallel = nullptr;  // CPU: the caller's loop; null: serial
  WorkList work;                   // CUDA
  void* stream = nullptr;          // CUDA: cudaStream_t
};

// Takes q, k, v, out and lse of the forward pass from `forward` and writes dq, dk, dv (and
// bias_grad, lexical_grad). delta_i is the sum over j of p dp, and ds = p (dp - delta). The
// reference and the CPU recompute this sum, and that of p over j, which avoids the rounding of out
// and lse. A kernel that does not hold a whole row takes delta_i = out_i . dout_i, the same number.
struct SegmentAttentionGradParams {
  SegmentAttentionParams forward;
  Rows<const void*> dout;  // (Tq, H, D)
  Rows<void*> dq;          // (Tq, H, D)
  Rows<void*> dk;          // (Tk, H, D)
  Rows<void*> dv;          // (Tk, H, D)
  // (num_buckets, H) float (double for double), overwritten; null where there is no bias
  void* bias_grad = nullptr;
  // (H) float (double for double), overwritten; null where there is no lexical bias
  void* lexical_grad = nullptr;
  // CUDA: cuda::backward_workspace_bytes(params) bytes, 16-byte aligned
  void* workspace = nullptr;
};

inline constexpr int64_t kHeadDims[] = {32, 64, 128};

// "head_dim must be one of {…}, got …"; empty where the kernels support it.
inline std::string head_dim_problem(int64_t head_dim) {
  std::string list;
  for (const int64_t known : kHeadDims) {
    if (known == head_dim) return "";
    list.append(list.empty() ? "" : ", ").append(std::to_string(known));
  }
  return "head_dim must be one of {" + list + "}, got " + std::to_string(head_dim);
}

// REQUIRES: pointers and sizes as above; head_dim in kHeadDims. Otherwise throws
// std::invalid_argument that names the value.
namespace reference {  // plain loops in double whatever the dtype: the specification
void segment_attention_forward(const SegmentAttentionParams& params);
void segment_attention_backward(const SegmentAttentionGradParams& params);
}  // namespace reference

// Vectorised. The instruction set is chosen at run time;
// LAIT_CPU_CAPABILITY=generic|avx2|avx512|avx512bf16 forces one.
namespace cpu {
void segment_attention_forward(const SegmentAttentionParams& params);
void segment_attention_backward(const SegmentAttentionGradParams& params);
const char* capability();  // the instruction set in use
}  // namespace cpu

// sm_80 and newer, float and bfloat16. All pointers are device pointers (offsets, tables, unit ids,
// words and runs too), but for `sources`, an array on the host of device pointers. Their contents
// are not checked: offsets and runs must be valid. Every row of every tensor, and of every run,
// starts at a multiple of 16 bytes; bias.max_distance is at most kMaxBiasDistance. Asynchronous on
// `stream`; allocates nothing. Throws std::invalid_argument as above, std::runtime_error for an
// error of the CUDA runtime.
namespace cuda {
inline constexpr int32_t kMaxBiasDistance = 1024;
inline constexpr int64_t kMaxSources = 8;  // of keys in runs; they are a kernel's argument
// Why the kernels cannot run on the current device (no driver, no GPU, one older than sm_80); empty
// if they can run.
std::string device_problem();
// What the driver calls the current device. Throws std::runtime_error for an error of the CUDA
// runtime.
std::string device_name();
void segment_attention_forward(const SegmentAttentionParams& params);
void segment_attention_backward(const SegmentAttentionGradParams& params);
// Does not read params.workspace.
int64_t backward_workspace_bytes(const SegmentAttentionGradParams& params);
}  // namespace cuda

}  // namespace lait::kernels
