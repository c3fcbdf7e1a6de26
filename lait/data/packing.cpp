#include "lait/data/packing.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <stdexcept>

#include "kernels/lexical_bias.h"
#include "kernels/work_list.h"
#include "lait/base/error.h"
#include "lait/data/packer.h"

namespace lait {

Slice put(PackedBatch& batch, const std::vector<int32_t>& values) {
  const Slice slice{std::ssize(batch.ints), std::ssize(values)};
  batch.ints.insert(batch.ints.end(), values.begin(), values.end());
  return slice;
}

Work put_work(PackedBatch& batch, const std::vector<int32_t>& q_offsets,
              const std::vector<int32_t>& k_offsets, int64_t cuda_head_dim) {
  if (cuda_head_dim == 0) return {};
  const kernels::HostWorkList list = kernels::make_work_list(
      q_offsets.data(), k_offsets.data(), std::ssize(q_offsets) - 1, cuda_head_dim);
  return {put(batch, list.tiles), list.counts()};
}

Gather PackState::put_gather(std::vector<int32_t> index, int64_t num_rows,
                             int64_t num_source_rows) {
  std::vector<int32_t> offsets(num_source_rows + 1, 0), inverse(index.size());
  for (int32_t source : index) ++offsets[source + 1];
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  std::vector<int32_t> next(offsets.begin(), offsets.end() - 1);
  for (size_t r = 0; r < index.size(); ++r) inverse[next[index[r]]++] = static_cast<int32_t>(r);
  index.resize(num_rows, 0);
  return {put(index), put(offsets), put(inverse)};
}

namespace {

// Level 0: the batch's sequences.
void pack_sequences(PackState& state, Scope scope, const SegmentLayout& layout) {
  Units& units = state.units[0];
  std::vector<int32_t> ids, types, positions;
  std::map<int32_t, int32_t> unit_of_sequence;
  const bool whole_examples = scope == Scope::kExample;
  bool has_tokens = state.plan.enters == Enters::kTokens;
  for (const PackExample& example : state.examples) {
    auto& of_example = units.of_example.emplace_back();
    for (const PackSequence& sequence : example.sequences) {
      const auto [found, is_new] = unit_of_sequence.try_emplace(sequence.id, units.size());
      if (!is_new && state.plan.share_segments && !whole_examples) {
        of_example.push_back(found->second);
        continue;
      }
      of_example.push_back(units.size());
      const auto first = static_cast<int32_t>(sequence.stored ? 0 : sequence.first_length),
                 length = static_cast<int32_t>(sequence.stored ? 0 : sequence.length);
      units.stored_lengths.resize(units.stored_lengths.size() + (first < length ? 2 : 1), -1);
      if (sequence.stored) {
        units.stored_lengths.back() = static_cast<int32_t>(sequence.length);
        state.stored.push_back(sequence.id);
      }
      if (state.plan.words) {
        if (std::ssize(sequence.tokens) != sequence.length)
          throw std::logic_error("pack: words need the tokens of all sequences");
        if (sequence.stored) {
          units.stored_tokens.push_back(sequence.tokens);
        } else {
          units.tokens.insert(units.tokens.end(), sequence.tokens.begin(), sequence.tokens.end());
        }
      }
      has_tokens = has_tokens && std::ssize(sequence.tokens) == sequence.length;
      ids.insert(ids.end(), sequence.tokens.begin(), sequence.tokens.end());
      int32_t next = layout.first_position;
      for (int32_t t = 0; t < length; ++t) {
        const bool counts = sequence.tokens.empty() || sequence.tokens[t] != layout.uncounted_token;
        types.push_back(t < first ? layout.first_type : layout.second_type);
        positions.push_back(counts ? next++ : layout.first_position - 1);
      }
      const int32_t begin = units.rows();
      units.segment_rows.push_back(begin + first);
      if (first < length) units.segment_rows.push_back(begin + length);
      units.row_begin.push_back(begin + length);
      units.segment_begin.push_back(static_cast<int32_t>(units.num_segments()));
      units.ids.push_back(whole_examples ? example.id : sequence.id);
    }
  }
  if (!has_tokens) return;
  for (auto* values : {&ids, &types, &positions}) values->resize(round_rows(units.rows()), 0);
  state.batch.token_ids = state.put(ids);
  state.batch.token_types = state.put(types);
  state.batch.positions = state.put(positions);
}

// A level's units as concatenations of the previous level's: of an example's units, or of each of
// its groups'.
class Join {
 public:
  Join(PackState& state, size_t level, Scope scope)
      : state_(state),
        level_(level),
        scope_(scope),
        from_(state.units[level - 1]),
        units_(state.units[level]) {}

  void run() {
    for (size_t e = 0; e < state_.examples.size(); ++e) {
      const PackExample& example = state_.examples[e];
      auto& of_example = units_.of_example.emplace_back();
      if (scope_ == Scope::kExample) {
        of_example.push_back(add_unit(from_.of_example[e], example.id, /*share=*/false));
      } else {
        add_groups(example, from_.of_example[e], of_example);
      }
    }
    state_.join_index = index_;
    state_.batch.levels[level_].from_previous =
        state_.put_gather(std::move(index_), round_rows(units_.rows()), round_rows(from_.rows()));
  }

 private:
  void add_groups(const PackExample& example, const std::vector<int32_t>& parts_of_example,
                  std::vector<int32_t>& of_example) {
    if (example.groups.empty()) {
      throw UserError("model.schedule has a group stage, but example " +
                      std::to_string(example.id + 1) +
                      " has no groups; give its groups or use the scopes segment and example");
    }
    // FNV-1a over the group's distinct sequences: equal groups have equal dropout masks.
    constexpr uint32_t kBasis = 2166136261u, kPrime = 16777619u;
    std::vector<int32_t> parts;
    uint32_t id = kBasis;
    for (size_t s = 0; s < example.groups.size(); ++s) {
      parts.push_back(parts_of_example[s]);
      id = (id ^ static_cast<uint32_t>(example.sequences[s].id)) * kPrime;
      if (s + 1 < example.groups.size() && example.groups[s + 1] == example.groups[s]) continue;
      of_example.push_back(add_unit(parts, static_cast<int32_t>(id), state_.plan.share_segments));
      parts.clear();
      id = kBasis;
    }
  }

  int32_t add_unit(const std::vector<int32_t>& parts, int32_t id, bool share) {
    if (share) {
      const auto [found, is_new] = unit_of_parts_.try_emplace(parts, units_.size());
      if (!is_new) return found->second;
    }
    for (int32_t part : parts) {
      for (int32_t r = from_.row_begin[part]; r < from_.row_begin[part + 1]; ++r) {
        index_.push_back(r);
        if (state_.plan.words) units_.tokens.push_back(from_.tokens[r]);
      }
      for (int32_t s = from_.segment_begin[part]; s < from_.segment_begin[part + 1]; ++s) {
        const int32_t length = from_.segment_rows[s + 1] - from_.segment_rows[s];
        units_.segment_rows.push_back(units_.segment_rows.back() + length);
      }
    }
    units_.row_begin.push_back(static_cast<int32_t>(index_.size()));
    units_.segment_begin.push_back(static_cast<int32_t>(units_.num_segments()));
    units_.ids.push_back(id);
    return units_.size() - 1;
  }

  PackState& state_;
  const size_t level_;
  const Scope scope_;
  const Units& from_;
  Units& units_;
  std::map<std::vector<int32_t>, int32_t> unit_of_parts_;
  std::vector<int32_t> index_;
};

void add_level(PackState& state, size_t l, const LevelRows& rows) {
  const Units& units = state.units[l];
  Level& level = state.batch.levels[l];
  level.scope = rows.scope;
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
  level.offsets = state.put(units.row_begin);
  level.work =
      state.put_work(units.row_begin, state.k_offsets.empty() ? units.row_begin : state.k_offsets);
  level.unit_ids = state.put(units.ids);
  level.row_unit_ids = state.put(row_ids);
  level.row_positions = state.put(positions);
  level.num_segments = units.num_segments();
  level.segment_offsets = state.put(units.segment_rows);
  if (!state.plan.words || rows.scope == Scope::kSegment) return;
  std::vector<int32_t> words = state.words_of(units);
  words.resize(level.num_rows, kernels::kNoWord);
  level.words = state.put(words);
}

}  // namespace

StepRows rows_of(const PackedBatch& batch, const Step& step) {
  const size_t from = step.joins ? step.level - 1 : step.level;
  const Level& level = batch.levels[step.level];
  return {.entering = &batch.levels[from],
          .kept = level.kept && !step.joins ? &*level.kept : nullptr,
          .level = &level,
          .read = step.last && batch.read_rows ? &*batch.read_rows : nullptr};
}

PackedBatch pack(std::span<const PackExample> examples, Scope sequences,
                 const SegmentLayout& layout, const PackPlan& plan) {
  PackState state{.examples = examples,
                  .plan = plan,
                  .layout = layout,
                  .batch = {},
                  .units = {},
                  .join_index = {},
                  .stored = {},
                  .k_offsets = {}};
  PackedBatch& batch = state.batch;
  batch.num_examples = std::ssize(examples);
  batch.reads = plan.reads;
  for (const PackExample& example : examples) batch.labels.push_back(example.label);
  std::vector<LevelRows> rows = levels(plan.schedule, sequences);
  batch.steps = steps(plan.schedule, sequences);
  batch.means_step = means_step(batch.steps, rows, plan.reads);
  if (plan.reads.rows == Reads::Rows::kNone && batch.means_step != kFinalStates) {
    batch.steps.resize(batch.means_step);
    batch.steps.back().last = true;
    rows.resize(batch.steps.back().level + 1);
    batch.means_step = kFinalStates;
  }
  batch.levels.resize(rows.size());
  state.units.resize(rows.size());
  pack_sequences(state, sequences, layout);
  add_level(state, 0, rows[0]);
  for (size_t l = 1; l < rows.size(); ++l) {
    if (rows[l].updates == Updates::kFirst) {
      join_first_segments(state, l);
    } else if (!state.stored.empty()) {
      throw std::logic_error("pack: stored sequences need a one-sided stage after level 0");
    } else {
      Join(state, l, rows[l].scope).run();
    }
    add_level(state, l, rows[l]);
  }
  pack_reads(state);
  return std::move(state.batch);
}

PackedBatch pack(const Dataset& dataset, std::span<const int64_t> indices, const PackPlan& plan) {
  std::vector<PackExample> examples;
  examples.reserve(indices.size());
  for (int64_t i : indices) {
    const TokenizedExample from = dataset.example(i);
    PackExample& example = examples.emplace_back();
    example.id = static_cast<int32_t>(i);
    example.groups = from.groups;
    example.label = from.label;
    for (int32_t sequence : from.sequences) {
      const bool stored = plan.enters == Enters::kStatesAndKeys && !example.sequences.empty();
      const auto first_stored = static_cast<int32_t>(dataset.num_sequences());
      PackSequence& out = example.sequences.emplace_back();
      out = {.id = sequence + (stored ? first_stored : 0),
             .length = dataset.length(sequence),
             .first_length = dataset.first_segment_length(sequence),
             .stored = stored};
      if (plan.enters == Enters::kTokens || plan.words) out.tokens = dataset.tokens(sequence);
    }
  }
  return pack(examples, dataset.sequence_scope(), dataset.layout(), plan);
}

}  // namespace lait
