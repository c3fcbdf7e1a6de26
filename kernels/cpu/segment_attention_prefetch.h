// What the CPU's segment attention prefetches for later tasks while it computes one. Internal to
// segment_attention_*_isa.cpp; changes no result.
#pragma once
#include "kernels/cpu/segment_attention_keys.h"

namespace lait::kernels {
namespace {

constexpr int64_t kLineBytes = 64;

// Prefetches `bytes` of each of the rows row_of(begin) … row_of(end - 1).
template <class RowOf>
void prefetch_rows(const RowOf& row_of, int64_t begin, int64_t end, int64_t bytes) {
  // GCC 12 takes a function that only prefetches for one without effects and drops its calls.
  __asm__ volatile("");
  for (int64_t row = begin; row < end; ++row) {
    const auto* from = reinterpret_cast<const char*>(row_of(row));
    for (int64_t at = 0; at < bytes; at += kLineBytes)
      __builtin_prefetch(from + at, /*rw=*/0, /*locality=*/2);
  }
}

// A head's slices of a unit's rows lie too far apart for the hardware's prefetcher. For a short
// unit, whole rows are fetched while the unit before it is computed, a part of them by each head.
// For a long one, which would fill the cache, the next head's slices are, a part by each block of
// queries.
template <class T>
bool is_short(const SegmentAttentionParams& p, const Task& t) {
  constexpr int64_t kMostBytes = 256 * 1024;
  return (t.m + 2 * t.n) * p.num_heads * p.head_dim * static_cast<int64_t>(sizeof(T)) <= kMostBytes;
}
// `next_keys`: those of the next unit, where there is one.
template <class T, class Keys>
void prefetch_next_unit(const SegmentAttentionParams& p, const Task& t, const Keys& next_keys) {
  const Task next = make_task(p, t.unit + 1, 0);
  if (!is_short<T>(p, next)) return;
  const int64_t bytes = p.num_heads * p.head_dim * static_cast<int64_t>(sizeof(T));
  auto fetch = [&](const auto& row_of, int64_t n) {
    prefetch_rows(row_of, n * t.head / p.num_heads, n * (t.head + 1) / p.num_heads, bytes);
  };
  if (p.q.head_stride == p.head_dim) fetch(rows_from<T>(p.q, next.q_begin, 0), next.m);
  if (!next_keys.whole_rows()) return;
  fetch(next_keys.keys(0), next.n);
  fetch(next_keys.values(0), next.n);
}
template <class T, class Keys>
void prefetch_next_head(const SegmentAttentionParams& p, const Task& t, const Keys& keys,
                        int64_t begin, int64_t rows) {
  if (t.head + 1 >= p.num_heads || is_short<T>(p, t)) return;
  const int64_t bytes = p.head_dim * static_cast<int64_t>(sizeof(T));
  const int64_t first = t.n * begin / t.m, last = t.n * (begin + rows) / t.m;
  prefetch_rows(rows_from<T>(p.q, t.q_begin, t.head + 1), begin, begin + rows, bytes);
  prefetch_rows(keys.keys(t.head + 1), first, last, bytes);
  prefetch_rows(keys.values(t.head + 1), first, last, bytes);
}

// Prefetches rows in the order in which a unit of few queries reads them, kAhead rows before they
// are: its keys, its values, the next unit's keys and values.
template <class T>
class RowsAhead {
 public:
  RowsAhead(const SegmentAttentionParams& p, const KeyTable<T>& keys, int64_t n,
            const KeyTable<T>& next, int64_t next_n)
      : keys_(keys), next_(next), n_(n), next_n_(next_n) {
    lines_ =
        (p.num_heads * p.head_dim * static_cast<int64_t>(sizeof(T)) + kLineBytes - 1) / kLineBytes;
    if (!keys.whole_rows()) row_ = end();
    seek();
  }
  // The next `lines` lines.
  void fetch(int64_t lines) {
    __asm__ volatile("");  // as in prefetch_rows
    while (lines > 0 && at_) {
      const int64_t taken = smaller(lines, left_);
      for (int64_t i = 0; i < taken; ++i, at_ += kLineBytes)
        __builtin_prefetch(at_, /*rw=*/0, /*locality=*/3);
      lines -= taken;
      left_ -= taken;
      if (left_ == 0) {
        ++row_;
        seek();
      }
    }
  }
  int64_t lines_of_row() const { return lines_; }

 private:
  static constexpr int64_t kAhead = 32;
  int64_t end() const { return 2 * (n_ + next_n_); }
  void seek() {
    auto row = [](const KeyTable<T>& keys, int64_t n, int64_t i) {
      return reinterpret_cast<const char*>(i < n ? keys.keys(0)(i) : keys.values(0)(i - n));
    };
    left_ = lines_;
    at_ = row_ < 2 * n_  ? row(keys_, n_, row_)
          : row_ < end() ? row(next_, next_n_, row_ - 2 * n_)
                         : nullptr;
  }

  const KeyTable<T>& keys_;
  const KeyTable<T>& next_;
  int64_t n_, next_n_, lines_ = 0;
  int64_t row_ = kAhead, left_ = 0;  // lines of the row
  const char* at_ = nullptr;         // the next line; null: there is no row
};

}  // namespace
}  // namespace lait::kernels
