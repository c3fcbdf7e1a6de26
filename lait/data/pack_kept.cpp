// The level of a one-sided stage: the rows of the examples' first segments, and the rows of the
// others, which it only reads.
#include "lait/data/packer.h"

namespace lait {

void join_first_segments(PackState& state, size_t level) {
  const Units& from = state.units[level - 1];
  Units& units = state.units[level];
  // Rows of the previous level: of the first segments, of the others (each once), of all keys.
  std::vector<int32_t> firsts, others, keys_at_join;
  std::vector<int32_t> place_in_others(from.rows(), -1);
  // Keys among this level's rows; -1 - place for those among the others.
  std::vector<int32_t> keys, k_offsets{0};
  for (size_t e = 0; e < state.examples.size(); ++e) {
    for_each_segment(from, from.of_example[e], [&](int32_t segment, int32_t s) {
      for (int32_t r = from.segment_rows[s]; r < from.segment_rows[s + 1]; ++r) {
        keys_at_join.push_back(r);
        if (segment == 0) {
          keys.push_back(static_cast<int32_t>(firsts.size()));
          firsts.push_back(r);
          continue;
        }
        if (place_in_others[r] < 0) {
          place_in_others[r] = static_cast<int32_t>(others.size());
          others.push_back(r);
        }
        keys.push_back(-1 - place_in_others[r]);
      }
    });
    units.segment_rows.push_back(static_cast<int32_t>(firsts.size()));
    units.row_begin.push_back(static_cast<int32_t>(firsts.size()));
    units.segment_begin.push_back(static_cast<int32_t>(units.num_segments()));
    units.of_example.push_back({units.size()});
    units.ids.push_back(state.examples[e].id);
    k_offsets.push_back(static_cast<int32_t>(keys.size()));
  }

  const auto num_rows = static_cast<int32_t>(round_rows(units.rows()));
  for (int32_t& key : keys) {
    if (key < 0) key = num_rows + (-1 - key);
  }
  KeptRows kept;
  kept.live_rows = std::ssize(others);
  kept.num_rows = round_rows(kept.live_rows);
  std::vector<int32_t> unit_ids(kept.num_rows, 0), positions(kept.num_rows, 0);
  for (int32_t u = 0; u < from.size(); ++u) {
    for (int32_t r = from.row_begin[u]; r < from.row_begin[u + 1]; ++r) {
      if (place_in_others[r] < 0) continue;
      unit_ids[place_in_others[r]] = from.ids[u];
      positions[place_in_others[r]] = r - from.row_begin[u];
    }
  }
  kept.row_unit_ids = state.put(unit_ids);
  kept.row_positions = state.put(positions);
  const int64_t num_keys = std::ssize(keys), rows_before = round_rows(from.rows());
  kept.rows = state.put_gather(std::move(others), kept.num_rows, rows_before);
  kept.keys_at_join = state.put_gather(std::move(keys_at_join), num_keys, rows_before);
  kept.keys = state.put_gather(std::move(keys), num_keys, num_rows + kept.num_rows);
  kept.k_offsets = state.put(k_offsets);
  state.k_offsets = std::move(k_offsets);
  state.join_index = firsts;
  Level& out = state.batch.levels[level];
  out.from_previous = state.put_gather(std::move(firsts), num_rows, rows_before);
  out.kept = kept;
}

}  // namespace lait
