// The work list of the CUDA attention: which warp takes which rows of which unit. It is made on the
// host with the offsets and reaches the device in the same copy, so no kernel searches for its
// unit.
#pragma once
#include <cstdint>
#include <vector>

namespace lait::kernels {

constexpr int kBlockWarps = 4;
constexpr int kWorkParts = 3;  // WorkPart
constexpr int kTeamSizes = 3;  // teams of 1, 2 and 4 warps
constexpr int kWorkCounts = kWorkParts * kTeamSizes;

// A block of four warps is one to four teams of 4, 2 or 1 warps; a team takes one unit, or a part
// of it. The parts of the list, in order:
enum WorkPart {
  // Units of which a team holds all queries and all keys: loaded once, forward and backward.
  kTogether,
  // The other units: warps own queries, the team streams the unit's keys.
  kByQuery,
  // The same units: warps own keys, the team streams the queries (half of the backward pass).
  kByKey,
};

// `tiles`: four {unit, first own row} for each block, one per warp, {-1, 0} for a warp without
// work. Each part lists the blocks of teams of 1, 2 and 4 warps in this order, each with the
// longest first, so that short work is left for the end.
struct HostWorkList {
  std::vector<int32_t> tiles;
  int32_t blocks[kWorkParts][kTeamSizes] = {};  // [part][teams of 1 << i warps]

  // (kWorkCounts) `blocks` part by part, as the operators' argument work_blocks carries them
  std::vector<int64_t> counts() const;
};

// Offsets (G + 1) each; `head_dim` one of kHeadDims.
HostWorkList make_work_list(const int32_t* q_offsets, const int32_t* k_offsets, int64_t num_units,
                            int64_t head_dim);

// Query or key rows that a warp owns.
constexpr int32_t rows_of_warp(int64_t head_dim) { return static_cast<int32_t>(1024 / head_dim); }

}  // namespace lait::kernels
