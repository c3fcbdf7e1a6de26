// What the CPU's segment attention prefetches for later tasks while it computes one. Internal to
// segment_attention_*_isa.cpp; changes no result.
#pragma once
#include "kernels/cpu/segment_attention_task.h"

namespace lait::kernels {
namespace {

// Prefetches `bytes` of each of rows [begin, end), from the head's first byte on.
template <class T>
void prefetch_rows(const Rows<const void*>& rows, int64_t begin, int64_t end, int64_t head,
                   int64_t bytes) {
  constexpr int64_t kLine = 64;
  // GCC 12 takes a function that only prefetches for one without effects and drops its calls.
  __asm__ volatile("");
  for (int64_t row = begin; row < end; ++row) {
    const auto* from = reinterpret_cast<const char*>(element<T>(rows, row, head));
    for (int64_t at = 0; at < bytes; at += kLine)
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
template <class T>
void prefetch_next_unit(const SegmentAttentionParams& p, const Task& t) {
  if (t.unit + 1 >= p.num_units) return;
  const Task next = make_task(p, t.unit + 1, 0);
  if (!is_short<T>(p, next)) return;
  const int64_t bytes = p.num_heads * p.head_dim * static_cast<int64_t>(sizeof(T));
  auto part = [&](int64_t rows, int64_t h) { return rows * h / p.num_heads; };
  auto fetch = [&](const Rows<const void*>& rows, int64_t begin, int64_t n) {
    if (rows.head_stride != p.head_dim) return;  // a row's heads lie apart
    prefetch_rows<T>(rows, begin + part(n, t.head), begin + part(n, t.head + 1), 0, bytes);
  };
  fetch(p.q, next.q_begin, next.m);
  fetch(p.k, next.k_begin, next.n);
  fetch(p.v, next.k_begin, next.n);
}
template <class T>
void prefetch_next_head(const SegmentAttentionParams& p, const Task& t, int64_t begin,
                        int64_t rows) {
  if (t.head + 1 >= p.num_heads || is_short<T>(p, t)) return;
  const int64_t bytes = p.head_dim * static_cast<int64_t>(sizeof(T));
  const int64_t first = t.k_begin + t.n * begin / t.m,
                last = t.k_begin + t.n * (begin + rows) / t.m;
  prefetch_rows<T>(p.q, t.q_begin + begin, t.q_begin + begin + rows, t.head + 1, bytes);
  prefetch_rows<T>(p.k, first, last, t.head + 1, bytes);
  prefetch_rows<T>(p.v, first, last, t.head + 1, bytes);
}

}  // namespace
}  // namespace lait::kernels
