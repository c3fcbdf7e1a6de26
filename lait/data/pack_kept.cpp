// The level of a one-sided stage: the rows of the examples' first segments, and the rows of the
// others, which it only reads.
#include <stdexcept>

#include "lait/data/packer.h"

namespace lait {
namespace {

constexpr int32_t kOwnRows = 0, kKeptRows = 1, kStored = 2;

class OneSidedJoin {
 public:
  OneSidedJoin(PackState& state, size_t level)
      : state_(state),
        from_(state.units[level - 1]),
        units_(state.units[level]),
        level_(state.batch.levels[level]),
        place_in_others_(from_.rows(), -1) {
    for (size_t s = 0, next = 0; s < from_.stored_lengths.size(); ++s)
      stored_place_.push_back(from_.stored_lengths[s] < 0 ? -1 : static_cast<int32_t>(next++));
  }

  void run() {
    for (size_t e = 0; e < state_.examples.size(); ++e) {
      for_each_segment(from_, from_.of_example[e],
                       [&](int32_t segment, int32_t s) { add_segment(segment, s); });
      units_.segment_rows.push_back(num_firsts());
      units_.row_begin.push_back(num_firsts());
      units_.segment_begin.push_back(static_cast<int32_t>(units_.num_segments()));
      units_.of_example.push_back({units_.size()});
      units_.ids.push_back(state_.examples[e].id);
      k_offsets_.push_back(num_keys_);
      run_offsets_.push_back(static_cast<int32_t>(runs_.size() / 3));
    }
    put_kept();
    state_.join_index = firsts_;
    level_.from_previous =
        state_.put_gather(std::move(firsts_), round_rows(units_.rows()), round_rows(from_.rows()));
  }

 private:
  int32_t num_firsts() const { return static_cast<int32_t>(firsts_.size()); }
  int32_t num_others() const { return static_cast<int32_t>(others_.size()); }

  // Of keys, in order.
  void add_words(std::span<const int32_t> tokens, int32_t segment) {
    for (const int32_t token : tokens) words_.push_back(state_.word(token, segment));
  }

  void add_run(int32_t at_join_source, int32_t at_join_row, int32_t source, int32_t row,
               int32_t length) {
    runs_at_join_.insert(runs_at_join_.end(), {at_join_source, at_join_row, length});
    runs_.insert(runs_.end(), {source, row, length});
    num_keys_ += length;
  }

  // `segment`: its number in the example; `s`: of the previous level.
  void add_segment(int32_t segment, int32_t s) {
    const bool is_first = segment == 0;
    if (!stored_place_.empty() && stored_place_[s] >= 0) {
      if (is_first || !state_.plan.key_runs)
        throw std::logic_error("pack: stored sequences need key runs, and may not be the first");
      const int32_t source = kStored + stored_place_[s];
      add_run(source, 0, source, 0, from_.stored_lengths[s]);
      if (state_.plan.words) add_words(from_.stored_tokens[stored_place_[s]], segment);
      return;
    }
    const int32_t begin = from_.segment_rows[s], end = from_.segment_rows[s + 1];
    const auto tokens =
        std::span(from_.tokens)
            .subspan(state_.plan.words ? begin : 0, state_.plan.words ? end - begin : 0);
    add_words(tokens, segment);
    if (is_first) {
      add_run(kOwnRows, begin, kOwnRows, num_firsts(), end - begin);
      for (int32_t r = begin; r < end; ++r) firsts_.push_back(r);
      units_.tokens.insert(units_.tokens.end(), tokens.begin(), tokens.end());
      return;
    }
    if (begin < end && place_in_others_[begin] < 0) {
      for (int32_t r = begin; r < end; ++r) {
        place_in_others_[r] = num_others();
        others_.push_back(r);
      }
    }
    add_run(kOwnRows, begin, kKeptRows, begin < end ? place_in_others_[begin] : 0, end - begin);
  }

  // The runs' rows, one after another, where the rows of source 1 begin at `kept_begin`.
  static std::vector<int32_t> rows_of(const std::vector<int32_t>& runs, int32_t kept_begin) {
    std::vector<int32_t> rows;
    for (size_t r = 0; r < runs.size(); r += 3) {
      const int32_t begin = runs[r + 1] + (runs[r] == kKeptRows ? kept_begin : 0);
      for (int32_t i = 0; i < runs[r + 2]; ++i) rows.push_back(begin + i);
    }
    return rows;
  }

  void put_kept() {
    KeptRows& kept = level_.kept.emplace();
    kept.stored = state_.stored;
    kept.live_rows = num_others();
    kept.num_rows = round_rows(kept.live_rows);
    std::vector<int32_t> unit_ids(kept.num_rows, 0), positions(kept.num_rows, 0);
    for (int32_t u = 0; u < from_.size(); ++u) {
      for (int32_t r = from_.row_begin[u]; r < from_.row_begin[u + 1]; ++r) {
        if (place_in_others_[r] < 0) continue;
        unit_ids[place_in_others_[r]] = from_.ids[u];
        positions[place_in_others_[r]] = r - from_.row_begin[u];
      }
    }
    kept.row_unit_ids = state_.put(unit_ids);
    kept.row_positions = state_.put(positions);
    const int64_t rows_before = round_rows(from_.rows()), num_rows = round_rows(units_.rows());
    kept.rows = state_.put_gather(std::move(others_), kept.num_rows, rows_before);
    if (state_.plan.key_runs) {
      kept.runs_at_join = state_.put(runs_at_join_);
      kept.runs = state_.put(runs_);
      kept.run_offsets = state_.put(run_offsets_);
    } else {
      kept.keys_at_join = state_.put_gather(rows_of(runs_at_join_, 0), num_keys_, rows_before);
      kept.keys = state_.put_gather(rows_of(runs_, static_cast<int32_t>(num_rows)), num_keys_,
                                    num_rows + kept.num_rows);
    }
    kept.k_offsets = state_.put(k_offsets_);
    kept.k_words = state_.put(words_);
    state_.k_offsets = std::move(k_offsets_);
  }

  PackState& state_;
  const Units& from_;
  Units& units_;
  Level& level_;
  // Of a row of the previous level among the others.
  std::vector<int32_t> place_in_others_;
  // Of a segment of the previous level among those that are stored, or -1.
  std::vector<int32_t> stored_place_;
  // Rows of the previous level: of the first segments, and of the others (each once).
  std::vector<int32_t> firsts_, others_;
  // {source, row, length}, as in KeptRows.
  std::vector<int32_t> runs_at_join_, runs_;
  std::vector<int32_t> run_offsets_{0}, k_offsets_{0};
  std::vector<int32_t> words_;
  int32_t num_keys_ = 0;
};

}  // namespace

void join_first_segments(PackState& state, size_t level) { OneSidedJoin(state, level).run(); }

}  // namespace lait
