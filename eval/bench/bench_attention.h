// Segment attention beside LibTorch's attention on the same lengths.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/config.h"

namespace lait {

struct AttentionBench {
  std::filesystem::path
      lengths;  // lines "name n1 n2": the tokens of an example's two segments; # starts a comment
  std::vector<int64_t> head_dims = {32, 64};
  std::vector<std::string> dtypes = {"bf16", "fp32"};
  int64_t heads = 12;
  int64_t batch = 64;  // examples, sorted by length
  DeviceKind device = DeviceKind::kCpu;
  int64_t threads = 0;             // 0: all cores
  double max_milliseconds = 1000;  // for each figure
  std::filesystem::path json;      // empty: none
};

// For each layout (NAME segments, NAME examples, uniform 512), dtype and head dim, forward and forward + backward:
//   lait      segment_attention on packed rows, q, k, v from one fused tensor
//   padded    scaled_dot_product_attention on padded batches, each unit (segment or example) a row
//   blocks    segments only: the same, each example a row, with a dense mask of its segments' blocks
//   loop      on the CPU: scaled_dot_product_attention unit by unit, no padding
//   flash     on CUDA, bf16: LibTorch's FlashAttention-2 on the same packed rows (varlen)
// and lait's FLOP/s of visible pairs beside those of a square product of lait::linear in the same dtype. Prints a table, writes JSON.
// Returns the exit code. Throws UserError: no lengths in the file, an unknown dtype, no such device.
int bench_attention(const AttentionBench& bench);

}  // namespace lait
