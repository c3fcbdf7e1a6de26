// Where the keys of a unit lie: one after another, or in runs (segment_attention.h). Blocks of keys
// are counted from the unit's first key in both, so that the bits are the same. Internal to
// segment_attention_*_isa.cpp.
#pragma once
#include "kernels/cpu/segment_attention_task.h"

namespace lait::kernels {
namespace {

// Rows k_offsets[unit] … of k and v.
template <class T>
class KeysInOrder {
 public:
  static int64_t table_floats(const SegmentAttentionParams&, int64_t) { return 0; }
  KeysInOrder(const SegmentAttentionParams& p, int64_t unit, float*)
      : p_(p),
        begin_(p.k_offsets[unit]),
        whole_(p.k.head_stride == p.head_dim && p.v.head_stride == p.head_dim) {}
  // row_of(j) for key j of a head, and for its value.
  RowsInOrder<T> keys(int64_t head) const { return rows_from<T>(p_.k, begin_, head); }
  RowsInOrder<T> values(int64_t head) const { return rows_from<T>(p_.v, begin_, head); }
  // Whether the heads of a row lie side by side.
  bool whole_rows() const { return whole_; }

 private:
  const SegmentAttentionParams& p_;
  int64_t begin_;
  bool whole_;
};

// A table of the address of each key and value of the unit: an address costs one load then,
// wherever the rows lie, and the table is made once for all heads.
template <class T>
class KeyTable {
 public:
  struct RowsOf {
    const T* const* rows;
    int64_t column;  // the head's first
    const T* operator()(int64_t j) const { return rows[j] + column; }
    RowsOf from(int64_t j) const { return {rows + j, column}; }
  };

  static int64_t table_floats(const SegmentAttentionParams& p, int64_t unit) {
    constexpr int64_t kAddress = 2;  // in floats
    static_assert(sizeof(T*) <= kAddress * sizeof(float));
    return 2 * kAddress * (p.k_offsets[unit + 1] - p.k_offsets[unit]);
  }
  KeyTable(const SegmentAttentionParams& p, int64_t unit, float* table)
      : p_(p), keys_(reinterpret_cast<const T**>(table)) {
    const int64_t begin = p.k_offsets[unit], n = p.k_offsets[unit + 1] - begin;
    values_ = keys_ + n;
    if (p.runs == nullptr) {
      add(0, n, element<T>(p.k, begin, 0), p.k.row_stride, element<T>(p.v, begin, 0),
          p.v.row_stride);
      return;
    }
    int64_t j = 0;
    for (int32_t r = p.run_offsets[unit]; r < p.run_offsets[unit + 1]; ++r) {
      const KeyRun& run = p.runs[r];
      const KeySource& source = p.sources[run.source];
      add(j, run.length, static_cast<const T*>(source.k) + run.offset, source.row_stride,
          static_cast<const T*>(source.v) + run.offset, source.row_stride);
      j += run.length;
    }
  }
  RowsOf keys(int64_t head) const { return {keys_, head * p_.k.head_stride}; }
  RowsOf values(int64_t head) const { return {values_, head * p_.v.head_stride}; }
  bool whole_rows() const {
    return p_.k.head_stride == p_.head_dim && p_.v.head_stride == p_.head_dim;
  }

 private:
  void add(int64_t j, int64_t rows, const T* k, int64_t k_stride, const T* v, int64_t v_stride) {
    for (int64_t i = 0; i < rows; ++i) {
      keys_[j + i] = k + i * k_stride;
      values_[j + i] = v + i * v_stride;
    }
  }

  const SegmentAttentionParams& p_;
  const T** keys_;
  const T** values_;
};

}  // namespace
}  // namespace lait::kernels
