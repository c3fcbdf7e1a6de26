// Benchmark: segment attention against LibTorch's attention on the same lengths.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/config.h"

namespace lait {

struct AttentionBench {
  // Lines "name n1 n2": the tokens of the two segments of an example. # starts a comment.
  std::filesystem::path lengths;
  std::vector<int64_t> head_dims = {32, 64};
  std::vector<std::string> dtypes = {"bf16", "fp32"};
  int64_t heads = 12;
  int64_t batch = 64;  // examples, which are sorted by length
  DeviceKind device = DeviceKind::kCpu;
  int64_t threads = 0;             // 0: all cores
  double max_milliseconds = 1000;  // for each number measured
  std::filesystem::path json;      // empty: not written
};

// For each layout (NAME segments, NAME examples, uniform 512), dtype and head dim, forward and
// forward + backward:
//   lait      segment_attention on packed rows, q, k, v from one fused tensor
//   padded    scaled_dot_product_attention on padded batches, one row per unit (segment or example)
//   blocks    segments only: the same with one row per example and a dense block mask
//   loop      on the CPU: scaled_dot_product_attention unit by unit, no padding
//   flash     on CUDA, bf16: LibTorch's FlashAttention-2 on the same packed rows (varlen)
// Also reports lait's FLOP/s of visible pairs against the FLOP/s of a square product of
// lait::linear in the same dtype. Prints a table and writes JSON. Returns the exit code. Throws
// UserError if the file has no lengths, a dtype is unknown or the device does not exist.
int bench_attention(const AttentionBench& bench);

}  // namespace lait
