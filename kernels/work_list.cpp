#include "kernels/work_list.h"

#include <algorithm>

namespace lait::kernels {
namespace {

struct Piece {  // the part of a unit that one team takes
  int32_t unit, begin;
  int64_t cost;
};

}  // namespace

std::vector<int64_t> HostWorkList::counts() const {
  std::vector<int64_t> out;
  for (const auto& part : blocks) {
    for (const int32_t count : part) out.push_back(count);
  }
  return out;
}

HostWorkList make_work_list(const int32_t* q_offsets, const int32_t* k_offsets, int64_t num_units,
                            int64_t head_dim) {
  const int32_t rows = rows_of_warp(head_dim);
  std::vector<Piece> pieces[kWorkParts][kTeamSizes];
  // log2 of a team's warps.
  auto team_size = [&](int32_t own) { return own <= rows ? 0 : own <= 2 * rows ? 1 : 2; };
  auto split = [&](WorkPart part, int32_t unit, int32_t own, int32_t other) {
    const int size = team_size(own);
    for (int32_t begin = 0; begin < own; begin += rows << size) {
      pieces[part][size].push_back(
          {unit, begin, int64_t{std::min(own - begin, rows << size)} * other});
    }
  };
  for (int32_t unit = 0; unit < num_units; ++unit) {
    const int32_t queries = q_offsets[unit + 1] - q_offsets[unit],
                  keys = k_offsets[unit + 1] - k_offsets[unit];
    const int32_t longer = std::max(queries, keys);
    if (longer == 0) continue;
    if (longer <= kBlockWarps * rows) {
      pieces[kTogether][team_size(longer)].push_back({unit, 0, int64_t{queries} * keys});
    } else {
      split(kByQuery, unit, queries, keys);
      split(kByKey, unit, keys, queries);
    }
  }
  HostWorkList list;
  for (int part = 0; part < kWorkParts; ++part) {
    for (int size = 0; size < kTeamSizes; ++size) {
      auto& of_size = pieces[part][size];
      std::stable_sort(of_size.begin(), of_size.end(),
                       [](const Piece& a, const Piece& b) { return a.cost > b.cost; });
      for (const Piece& piece : of_size) {
        for (int32_t warp = 0; warp < 1 << size; ++warp) {
          list.tiles.push_back(piece.unit);
          list.tiles.push_back(piece.begin + warp * rows);
        }
      }
      const auto warps = static_cast<int32_t>(of_size.size() << size);
      list.blocks[part][size] = (warps + kBlockWarps - 1) / kBlockWarps;
      for (int32_t idle = warps; idle < kBlockWarps * list.blocks[part][size]; ++idle) {
        list.tiles.push_back(-1);
        list.tiles.push_back(0);
      }
    }
  }
  return list;
}

}  // namespace lait::kernels
