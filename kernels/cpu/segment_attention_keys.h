// Where the keys of a unit lie, for the forward pass on the CPU: one after another, or in runs
// (segment_attention.h). Blocks of keys are counted from the unit's first key in both, so that the
// bits are the same. Internal to segment_attention_forward_isa.cpp.
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

// The unit's runs, as a table of the address of each key and value: an address costs one load then,
// wherever the runs begin, and the table is made once for all heads.
template <class T>
class KeysInRuns {
 public:
  struct RowsOf {
    const T* const* rows;
    int64_t from;  // the head's first element
    const T* operator()(int64_t j) const { return rows[j] + from; }
  };

  static int64_t table_floats(const SegmentAttentionParams& p, int64_t unit) {
    constexpr int64_t kAddress = 2;  // in floats
    static_assert(sizeof(T*) <= kAddress * sizeof(float));
    return 2 * kAddress * (p.k_offsets[unit + 1] - p.k_offsets[unit]);
  }
  KeysInRuns(const SegmentAttentionParams& p, int64_t unit, float* table)
      : p_(p), keys_(reinterpret_cast<const T**>(table)) {
    values_ = keys_ + (p.k_offsets[unit + 1] - p.k_offsets[unit]);
    int64_t j = 0;
    for (int32_t r = p.run_offsets[unit]; r < p.run_offsets[unit + 1]; ++r) {
      const KeyRun run = p.runs[r];
      const KeySource source = p.sources[run.source];
      const T* k = static_cast<const T*>(source.k) + run.offset;
      const T* v = static_cast<const T*>(source.v) + run.offset;
      for (int64_t i = 0; i < run.length; ++i, ++j) {
        keys_[j] = k + i * source.row_stride;
        values_[j] = v + i * source.row_stride;
      }
    }
  }
  RowsOf keys(int64_t head) const { return {keys_, head * p_.k.head_stride}; }
  RowsOf values(int64_t head) const { return {values_, head * p_.v.head_stride}; }
  bool whole_rows() const {
    return p_.k.head_stride == p_.head_dim && p_.v.head_stride == p_.head_dim;
  }

 private:
  const SegmentAttentionParams& p_;
  const T** keys_;
  const T** values_;
};

}  // namespace
}  // namespace lait::kernels
