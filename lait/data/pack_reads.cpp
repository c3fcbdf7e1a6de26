// What the head reads: the rows that the last step computes, and the gathers from the encoder's
// states to the examples.
#include <algorithm>
#include <numeric>
#include <ranges>

#include "kernels/lexical_bias.h"
#include "lait/base/error.h"
#include "lait/data/packer.h"

namespace lait {
namespace {

bool lists(const SegmentList& list, int32_t segment) {
  return list.empty() || std::ranges::find(list, segment) != list.end();
}

struct RowRange {
  int32_t begin, end;
};

// The rows of a segment's text, without special tokens. `segment`: of the example; `s`: of the
// level.
RowRange text_rows(const PackState& state, const Units& units, int32_t segment, int32_t s) {
  const SegmentLayout& layout = state.layout;
  const bool pair = state.batch.levels.front().scope == Scope::kExample;
  const int64_t between = std::ssize(layout.between), of_first = layout.between_of_first;
  const int64_t before = pair && segment > 0 ? between - of_first : std::ssize(layout.prefix);
  const int64_t behind = pair && segment == 0 ? of_first : std::ssize(layout.suffix);
  return {units.segment_rows[s] + static_cast<int32_t>(before),
          units.segment_rows[s + 1] - static_cast<int32_t>(behind)};
}

// The rows of a segment that the head reads among the rows of `reads`.
RowRange rows_of_segment(const PackState& state, const Units& units, int32_t segment, int32_t s) {
  const Reads& reads = state.batch.reads;
  using Rows = Reads::Rows;
  if (reads.rows == Rows::kAll ||
      (reads.rows == Rows::kSegments && lists(reads.row_segments, segment)))
    return {units.segment_rows[s], units.segment_rows[s + 1]};
  if (reads.rows == Rows::kFirstAndTexts && lists(reads.row_segments, segment))
    return text_rows(state, units, segment, s);
  return {0, 0};
}

bool reads_first(const Reads& reads) {
  return reads.rows == Reads::Rows::kFirst || reads.rows == Reads::Rows::kFirstAndTexts;
}

// Rows of the last level that the head reads.
std::vector<bool> rows_read(const PackState& state) {
  const Units& last = state.units.back();
  const Reads& reads = state.batch.reads;
  const bool final_means =
      reads.means != Reads::Means::kNone && state.batch.means_step == kFinalStates;
  std::vector<bool> read(last.rows(), false);
  const auto mark = [&](RowRange rows) {
    std::fill(read.begin() + rows.begin, read.begin() + rows.end, true);
  };
  for (const auto& of_example : last.of_example) {
    if (of_example.empty()) continue;
    if (reads_first(reads)) read[last.row_begin[of_example[0]]] = true;
    for_each_segment(last, of_example, [&](int32_t segment, int32_t s) {
      mark(rows_of_segment(state, last, segment, s));
      if (final_means && lists(reads.mean_segments, segment))
        mark({last.segment_rows[s], last.segment_rows[s + 1]});
    });
  }
  return read;
}

// Returns the rows that are computed: for each row of the last level its index among the rows read.
std::vector<int32_t> add_read_rows(PackState& state) {
  const Units& last = state.units.back();
  ReadRows& out = state.batch.read_rows.emplace();
  const std::vector<bool> read = rows_read(state);
  std::vector<int32_t> made(read.size(), -1), index, q_offsets{0}, ids, positions,
      segment_offsets{0};
  for (int32_t u = 0; u < last.size(); ++u) {
    for (int32_t s = last.segment_begin[u]; s < last.segment_begin[u + 1]; ++s) {
      for (int32_t r = last.segment_rows[s]; r < last.segment_rows[s + 1]; ++r) {
        if (!read[r]) continue;
        made[r] = static_cast<int32_t>(index.size());
        index.push_back(r);
        ids.push_back(last.ids[u]);
        positions.push_back(r - last.row_begin[u]);
      }
      segment_offsets.push_back(static_cast<int32_t>(index.size()));
    }
    q_offsets.push_back(static_cast<int32_t>(index.size()));
  }
  out.live_rows = std::ssize(index);
  out.num_rows = round_rows(out.live_rows);
  // If the last step joins, the gather starts from the rows before the join.
  const bool joins = state.batch.steps.back().joins;
  if (joins) {
    for (int32_t& row : index) row = state.join_index[row];
  }
  const Units& from = joins ? state.units[state.units.size() - 2] : last;
  out.gather = state.put_gather(std::move(index), out.num_rows, round_rows(from.rows()));
  out.q_offsets = state.put(q_offsets);
  out.work = state.put_work(q_offsets, state.k_offsets.empty() ? last.row_begin : state.k_offsets);
  ids.resize(out.num_rows, 0);
  positions.resize(out.num_rows, 0);
  out.row_unit_ids = state.put(ids);
  out.row_positions = state.put(positions);
  out.segment_offsets = state.put(segment_offsets);
  if (state.batch.levels.back().words.size > 0) {
    const std::vector<int32_t> all = state.words_of(last);
    std::vector<int32_t> words(out.num_rows, kernels::kNoWord);
    for (size_t r = 0; r < made.size(); ++r) {
      if (made[r] >= 0) words[made[r]] = all[r];
    }
    out.words = state.put(words);
  }
  return made;
}

void add_rows(PackState& state, const std::vector<int32_t>& made, int64_t num_made) {
  const Units& last = state.units.back();
  const Reads& reads = state.batch.reads;
  HeadRows& head = state.batch.head;
  const int64_t examples = round_rows(state.batch.num_examples);
  if (reads.rows == Reads::Rows::kFirst) {
    std::vector<int32_t> index;
    for (const auto& units : last.of_example) index.push_back(made[last.row_begin[units[0]]]);
    head.first_row = state.put_gather(std::move(index), examples, num_made);
    return;
  }
  std::vector<int32_t> index, offsets{0};
  for (const auto& of_example : last.of_example) {
    if (reads_first(reads)) index.push_back(made[last.row_begin[of_example.front()]]);
    for_each_segment(last, of_example, [&](int32_t segment, int32_t s) {
      const RowRange rows = rows_of_segment(state, last, segment, s);
      for (int32_t r = rows.begin; r < rows.end; ++r) index.push_back(made[r]);
    });
    offsets.push_back(static_cast<int32_t>(index.size()));
  }
  offsets.resize(examples + 1, offsets.back());
  head.row_offsets = state.put(offsets);
  const bool in_order =
      std::ranges::equal(index, std::views::iota(int32_t{0}, static_cast<int32_t>(index.size())));
  if (in_order) return;
  const int64_t num_rows = round_rows(std::ssize(index));
  head.rows = state.put_gather(std::move(index), num_rows, num_made);
}

void add_means(PackState& state) {
  const PackedBatch& batch = state.batch;
  HeadRows& head = state.batch.head;
  const size_t level = batch.means_step == kFinalStates ? state.units.size() - 1
                                                        : batch.steps[batch.means_step].level - 1;
  const Units& units = state.units[level];
  const int64_t examples = round_rows(batch.num_examples);
  std::vector<int32_t> first, others, offsets{0};
  for (const auto& of_example : units.of_example) {
    bool is_first = true;
    for_each_segment(units, of_example, [&](int32_t segment, int32_t s) {
      if (!lists(batch.reads.mean_segments, segment)) return;
      (is_first ? first : others).push_back(s);
      is_first = false;
    });
    if (is_first) throw UserError("the head reads means of segments that an example does not have");
    offsets.push_back(static_cast<int32_t>(others.size()));
  }
  offsets.resize(examples + 1, offsets.back());
  const int64_t num_others = std::ssize(others);
  head.first_segment = state.put_gather(std::move(first), examples, units.num_segments());
  head.other_segments = state.put_gather(std::move(others), num_others, units.num_segments());
  head.other_offsets = state.put(offsets);
}

}  // namespace

void pack_reads(PackState& state) {
  PackedBatch& batch = state.batch;
  const Units& last = state.units.back();
  std::vector<int32_t> made(last.rows());
  std::iota(made.begin(), made.end(), 0);
  int64_t num_made = round_rows(last.rows());
  if (state.plan.prune_rows && !batch.steps.empty() &&
      !makes_all_rows(batch.reads, batch.means_step)) {
    made = add_read_rows(state);
    num_made = batch.read_rows->num_rows;
  }
  std::vector<int32_t> ids;
  for (const PackExample& example : state.examples) ids.push_back(example.id);
  ids.resize(round_rows(batch.num_examples), 0);
  batch.head.row_unit_ids = state.put(ids);
  batch.head.row_positions = state.put(std::vector<int32_t>(ids.size(), 0));
  if (batch.reads.rows != Reads::Rows::kNone) add_rows(state, made, num_made);
  if (batch.reads.means != Reads::Means::kNone) add_means(state);
}

}  // namespace lait
