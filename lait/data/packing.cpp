#include "lait/data/packing.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "kernels/work_list.h"
#include "lait/base/error.h"

namespace lait {

namespace {

// What of a level only packing needs. Units are numbered in row order.
struct Units {
  std::vector<int32_t> row_begin{0};             // (G + 1)
  std::vector<int32_t> segment_begin{0};         // (G + 1) ordinals of each unit's segments
  std::vector<int32_t> segment_rows{0};          // (segments + 1) rows where each segment begins
  std::vector<int32_t> ids;                      // (G) dropout ids
  std::vector<std::vector<int32_t>> of_example;  // (B) the units of each example, in order

  int32_t size() const { return static_cast<int32_t>(ids.size()); }
  int32_t rows() const { return row_begin.back(); }
};

class Packer {
 public:
  Packer(const Dataset& dataset, std::span<const int64_t> indices, const PackPlan& plan)
      : dataset_(dataset), indices_(indices), plan_(plan) {}

  PackedBatch pack() {
    batch_.num_examples = static_cast<int64_t>(indices_.size());
    for (int64_t i : indices_) batch_.labels.push_back(dataset_.example(i).label);
    const std::vector<Scope> scopes = plan_.levels();
    batch_.levels.resize(scopes.size());
    units_.resize(scopes.size());
    pack_sequences();
    add_level(0, scopes[0]);
    for (size_t l = 1; l < scopes.size(); ++l) {
      join(l, scopes[l]);
      add_level(l, scopes[l]);
    }
    if (plan_.reads_first_rows() && plan_.prune_rows) add_first_rows();
    add_pooling();
    return std::move(batch_);
  }

 private:
  Slice put(const std::vector<int32_t>& values) {
    const Slice slice{static_cast<int64_t>(batch_.ints.size()),
                      static_cast<int64_t>(values.size())};
    batch_.ints.insert(batch_.ints.end(), values.begin(), values.end());
    return slice;
  }

  Work put_work(const std::vector<int32_t>& q_offsets, const std::vector<int32_t>& k_offsets) {
    if (plan_.cuda_head_dim == 0) return {};
    const kernels::HostWorkList list =
        kernels::make_work_list(q_offsets.data(), k_offsets.data(),
                                static_cast<int64_t>(q_offsets.size()) - 1, plan_.cuda_head_dim);
    return {put(list.tiles), list.counts()};
  }

  // `index` holds the live rows; dead ones up to `num_rows` read row 0.
  Gather put_gather(std::vector<int32_t> index, int64_t num_rows, int64_t num_source_rows) {
    std::vector<int32_t> offsets(num_source_rows + 1, 0), inverse(index.size());
    for (int32_t source : index) ++offsets[source + 1];
    std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    std::vector<int32_t> next(offsets.begin(), offsets.end() - 1);
    for (size_t r = 0; r < index.size(); ++r) inverse[next[index[r]]++] = static_cast<int32_t>(r);
    index.resize(num_rows, 0);
    return {put(index), put(offsets), put(inverse)};
  }

  // Level 0: the tokens of the batch's sequences.
  void pack_sequences() {
    Units& units = units_[0];
    std::vector<int32_t> ids, types, positions;
    std::map<int32_t, int32_t> unit_of_sequence;
    const bool pair = plan_.format == SegmentFormat::kPair;
    for (int64_t i : indices_) {
      auto& of_example = units.of_example.emplace_back();
      for (int32_t sequence : dataset_.example(i).sequences) {
        const auto [found, is_new] = unit_of_sequence.try_emplace(sequence, units.size());
        if (!is_new && plan_.share_segments && !pair) {
          of_example.push_back(found->second);
          continue;
        }
        of_example.push_back(units.size());
        const auto tokens = dataset_.tokens(sequence);
        const auto first = static_cast<int32_t>(dataset_.first_segment_length(sequence));
        const auto length = static_cast<int32_t>(tokens.size());
        ids.insert(ids.end(), tokens.begin(), tokens.end());
        for (int32_t t = 0; t < length; ++t) {
          types.push_back(t >= first);
          positions.push_back(t);
        }
        const int32_t begin = units.rows();
        units.segment_rows.push_back(begin + first);
        if (first < length) units.segment_rows.push_back(begin + length);
        units.row_begin.push_back(begin + length);
        units.segment_begin.push_back(static_cast<int32_t>(units.segment_rows.size()) - 1);
        units.ids.push_back(pair ? static_cast<int32_t>(i) : sequence);
      }
    }
    for (auto* values : {&ids, &types, &positions}) values->resize(round_rows(units.rows()), 0);
    batch_.token_ids = put(ids);
    batch_.token_types = put(types);
    batch_.positions = put(positions);
  }

  // A level's units as concatenations of the level before's: of the units of an example, or of each of its groups.
  void join(size_t level, Scope scope) {
    const Units& from = units_[level - 1];
    Units& units = units_[level];
    std::map<std::vector<int32_t>, int32_t> unit_of_parts;
    std::vector<int32_t> index;
    auto add_unit = [&](const std::vector<int32_t>& parts, int32_t id, bool share) {
      if (share) {
        const auto [found, is_new] = unit_of_parts.try_emplace(parts, units.size());
        if (!is_new) return found->second;
      }
      for (int32_t part : parts) {
        for (int32_t r = from.row_begin[part]; r < from.row_begin[part + 1]; ++r)
          index.push_back(r);
        for (int32_t s = from.segment_begin[part]; s < from.segment_begin[part + 1]; ++s) {
          const int32_t length = from.segment_rows[s + 1] - from.segment_rows[s];
          units.segment_rows.push_back(units.segment_rows.back() + length);
        }
      }
      units.row_begin.push_back(static_cast<int32_t>(index.size()));
      units.segment_begin.push_back(static_cast<int32_t>(units.segment_rows.size()) - 1);
      units.ids.push_back(id);
      return units.size() - 1;
    };
    for (size_t e = 0; e < indices_.size(); ++e) {
      const TokenizedExample& example = dataset_.example(indices_[e]);
      auto& of_example = units.of_example.emplace_back();
      if (scope == Scope::kExample) {
        of_example.push_back(
            add_unit(from.of_example[e], static_cast<int32_t>(indices_[e]), /*share=*/false));
        continue;
      }
      if (example.groups.empty()) {
        throw UserError("model.schedule has a group stage, but example " +
                        std::to_string(indices_[e] + 1) +
                        " has no groups; give its groups or use the scopes segment and example");
      }
      std::vector<int32_t> parts;
      uint32_t id =
          2166136261u;  // FNV-1a over the group's distinct sequences: the same group has the same mask
      for (size_t s = 0; s < example.groups.size(); ++s) {
        parts.push_back(from.of_example[e][s]);
        id = (id ^ static_cast<uint32_t>(example.sequences[s])) * 16777619u;
        if (s + 1 == example.groups.size() || example.groups[s + 1] != example.groups[s]) {
          of_example.push_back(add_unit(parts, static_cast<int32_t>(id), plan_.share_segments));
          parts.clear();
          id = 2166136261u;
        }
      }
    }
    join_index_ = index;
    batch_.levels[level].from_previous =
        put_gather(std::move(index), round_rows(units.rows()), round_rows(from.rows()));
  }

  void add_level(size_t l, Scope scope) {
    const Units& units = units_[l];
    Level& level = batch_.levels[l];
    level.scope = scope;
    level.num_units = units.size();
    level.live_rows = units.rows();
    level.num_rows = round_rows(units.rows());
    std::vector<int32_t> row_ids(level.num_rows, 0), positions(level.num_rows, 0);
    for (int32_t u = 0; u < units.size(); ++u) {
      for (int32_t r = units.row_begin[u]; r < units.row_begin[u + 1]; ++r) {
        row_ids[r] = units.ids[u];
        positions[r] = r - units.row_begin[u];
      }
    }
    level.offsets = put(units.row_begin);
    level.work = put_work(units.row_begin, units.row_begin);
    level.unit_ids = put(units.ids);
    level.row_unit_ids = put(row_ids);
    level.row_positions = put(positions);
    level.num_segments = static_cast<int64_t>(units.segment_rows.size()) - 1;
    level.segment_offsets = put(units.segment_rows);
  }

  // The last layer joins into the last level only where that level's stage has one layer; the gather then starts from
  // the rows before the join.
  void add_first_rows() {
    const Units& last = units_.back();
    FirstRows& first = batch_.first_rows;
    first.num_rows = round_rows(last.size());
    const auto stage = std::ranges::find_if(plan_.stages.rbegin(), plan_.stages.rend(),
                                            [](const Stage& s) { return s.num_layers > 0; });
    const bool joins_in_last_layer = units_.size() > 1 && layers_of_scope(stage->scope) == 1;
    std::vector<int32_t> index(last.row_begin.begin(), last.row_begin.end() - 1);
    int64_t source_rows = round_rows(last.rows());
    if (joins_in_last_layer) {
      for (int32_t& row : index) row = join_index_[row];
      source_rows = round_rows(units_[units_.size() - 2].rows());
    }
    first.gather = put_gather(std::move(index), first.num_rows, source_rows);
    std::vector<int32_t> offsets(last.size() + 1);
    std::iota(offsets.begin(), offsets.end(), 0);
    first.q_offsets = put(offsets);
    first.work = put_work(offsets, last.row_begin);
    std::vector<int32_t> ids = last.ids;
    ids.resize(first.num_rows, 0);
    first.row_unit_ids = put(ids);
    first.row_positions = put(std::vector<int32_t>(first.num_rows, 0));
  }

  int64_t layers_of_scope(Scope scope) const {
    int64_t layers = 0;
    for (const Stage& stage : plan_.stages) layers += stage.scope == scope ? stage.num_layers : 0;
    return layers;
  }

  void add_pooling() {
    const int64_t rows = round_rows(batch_.num_examples);
    PoolIndices& pool = batch_.pool;
    const Units& last = units_.back();
    const bool pruned = plan_.reads_first_rows() && plan_.prune_rows;
    std::vector<int32_t> ids(indices_.begin(), indices_.end());
    ids.resize(rows, 0);
    pool.row_unit_ids = put(ids);
    pool.row_positions = put(std::vector<int32_t>(rows, 0));
    if (plan_.pooling == Pooling::kCls || plan_.pooling == Pooling::kClsSegments) {
      std::vector<int32_t> index;
      for (const auto& units : last.of_example)
        index.push_back(pruned ? units[0] : last.row_begin[units[0]]);
      if (pruned) {
        pool.first_unit = put_gather(std::move(index), rows, batch_.first_rows.num_rows);
      } else {
        pool.first_row = put_gather(std::move(index), rows, round_rows(last.rows()));
      }
    }
    if (plan_.pooling == Pooling::kSegments || plan_.pooling == Pooling::kClsSegments) {
      const Units& units = units_[plan_.mean_level()];
      const auto num_segments = static_cast<int64_t>(units.segment_rows.size()) - 1;
      std::vector<int32_t> first, others, offsets{0};
      for (const auto& of_example : units.of_example) {
        bool is_first = true;
        for (int32_t u : of_example) {
          for (int32_t s = units.segment_begin[u]; s < units.segment_begin[u + 1]; ++s) {
            (is_first ? first : others).push_back(s);
            is_first = false;
          }
        }
        offsets.push_back(static_cast<int32_t>(others.size()));
      }
      offsets.resize(rows + 1, offsets.back());
      const auto num_others = static_cast<int64_t>(others.size());
      pool.first_segment = put_gather(std::move(first), rows, num_segments);
      pool.other_segments = put_gather(std::move(others), num_others, num_segments);
      pool.other_offsets = put(offsets);
    }
    if (plan_.pooling == Pooling::kMean) {
      std::vector<int32_t> index, offsets{0};
      for (const auto& of_example : last.of_example) {
        for (int32_t u : of_example) {
          for (int32_t r = last.row_begin[u]; r < last.row_begin[u + 1]; ++r) index.push_back(r);
        }
        offsets.push_back(static_cast<int32_t>(index.size()));
      }
      offsets.resize(rows + 1, offsets.back());
      pool.all_offsets = put(offsets);
      if (batch_.levels.back().scope != Scope::kExample) {
        const auto num_rows = static_cast<int64_t>(index.size());
        pool.all_rows = put_gather(std::move(index), num_rows, round_rows(last.rows()));
      }
    }
  }

  const Dataset& dataset_;
  std::span<const int64_t> indices_;
  const PackPlan& plan_;
  PackedBatch batch_;
  std::vector<Units> units_;
  std::vector<int32_t> join_index_;  // of the last join: rows of the level before
};

}  // namespace

PackedBatch pack(const Dataset& dataset, std::span<const int64_t> indices, const PackPlan& plan) {
  return Packer(dataset, indices, plan).pack();
}

}  // namespace lait
