// The scores of a task on the CPU: position bias by diagonal, causality, dropout's rows. Internal
// to segment_attention_*_isa.cpp.
#pragma once
#include "kernels/cpu/segment_attention_task.h"
#include "kernels/cpu/simd_dropout.h"

namespace lait::kernels {
namespace {

int32_t query_position(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return p.q_positions ? p.q_positions[t.q_begin + i] : static_cast<int32_t>(t.n - t.m + i);
}

// How many keys query i sees; they are the first ones.
int64_t visible_keys(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return p.causal ? larger(0, smaller(t.n, int64_t{query_position(p, t, i)} + 1)) : t.n;
}

// The biases of a task by diagonal: those of query i for keys 0 … n - 1 lie at row(i) one after
// another, because they only depend on the relative position. Beyond max_distance the bucket is
// constant, so farther positions are clamped.
class Diagonals {
 public:
  Diagonals(const SegmentAttentionParams& p, const Task& t) : p_(p), t_(t) {
    if (p.bias.table == nullptr) return;
    first_ = start(0);
    int64_t last = first_;
    for (int64_t i = 1; i < (p.q_positions ? t.m : 0); ++i) {
      first_ = smaller(first_, start(i));
      last = larger(last, start(i));
    }
    if (p.q_positions == nullptr) first_ = start(t.m - 1);  // positions increase
    size_ = last - first_ + t.padded;
  }
  int64_t size() const { return size_; }
  void fill(float* biases) {
    const int32_t* buckets = cpu::bucket_table(p_.bias);
    biases_ = biases;
    for (int64_t r = 0; r < size_; ++r)
      biases[r] = p_.bias.table[bucket(buckets, r) * p_.num_heads + t_.head];
  }
  const float* row(int64_t i) const { return biases_ + (start(i) - first_); }
  void clear(float* gradients) {
    gradients_ = gradients;
    for (int64_t r = 0; r < size_; ++r) gradients[r] = 0;
  }
  float* gradient_row(int64_t i) const { return gradients_ + (start(i) - first_); }
  // Adds the gradients to their buckets; `to` is (num_buckets). Diagonals of padding hold zeros.
  void add_gradients(float* to) const {
    const int32_t* buckets = cpu::bucket_table(p_.bias);
    for (int64_t r = 0; r < size_; ++r) to[bucket(buckets, r)] += gradients_[r];
  }

 private:
  int64_t start(int64_t i) const {  // the relative position of key 0
    const int64_t far = p_.bias.max_distance;
    return smaller(far, larger(-far - t_.n, -int64_t{query_position(p_, t_, i)}));
  }
  int32_t bucket(const int32_t* buckets, int64_t r) const {
    const int64_t far = p_.bias.max_distance;
    return buckets[smaller(far, larger(-far, first_ + r)) + far];
  }

  const SegmentAttentionParams& p_;
  const Task& t_;
  int64_t first_ = 0, size_ = 0;
  float* biases_ = nullptr;
  float* gradients_ = nullptr;
};

// One vector of scores: the output of finish_scores, times f. It is rounded before anything is
// added, so that for a single key the score minus its log-sum-exp is exactly 0.
Vec score(const float* row, float f) { return unfused(load(row) * f); }

DropoutRow dropout_row(const SegmentAttentionParams& p, const Task& t, int64_t i) {
  return {p.dropout, static_cast<uint32_t>(p.unit_ids[t.unit]),
          static_cast<uint32_t>(query_position(p, t, i)), static_cast<uint32_t>(t.head)};
}

// Masks a row of products S for the exponentials: minus infinity for padding and for keys that the
// query does not see. Returns f; the scores are f * row. Without a bias nothing else is written.
float finish_scores(float scale, const float* biases, int64_t visible, int64_t padded, float* row) {
  const bool as_they_are = biases == nullptr && scale > 0;
  for (int64_t j = as_they_are ? visible / kVector * kVector : 0; j < padded; j += kVector) {
    Vec s = load(row + j);
    if (!as_they_are) s *= scale;
    if (biases) s += load(biases + j);
    if (visible < j + kVector)
      s = lane_numbers() < static_cast<int32_t>(visible - j) ? s : broadcast(-kInfinity);
    store(row + j, s);
  }
  return as_they_are ? scale : 1.f;
}

}  // namespace
}  // namespace lait::kernels
