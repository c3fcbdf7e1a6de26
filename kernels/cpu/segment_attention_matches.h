// The lexical bias of a unit on the CPU: which keys match each query, a bit for each pair. The bits
// are the same for all heads, and few are set. So a head adds its bias to the products of those
// pairs alone, before they are scaled, and the passes over whole rows of scores do not know of it.
// Internal to segment_attention_*_isa.cpp.
#pragma once
#include "kernels/cpu/segment_attention_task.h"
#include "kernels/lexical_bias.h"

namespace lait::kernels {
namespace {

class Matches {
 public:
  Matches(const SegmentAttentionParams& p, const Task& t)
      : p_(p), t_(t), row_(p.lexical.table ? (t.n + kBits - 1) / kBits : 0) {}
  // Floats of memory; 0 without a lexical bias.
  int64_t size() const { return t_.m * row_; }
  void find(float* memory) {
    bits_ = reinterpret_cast<uint32_t*>(memory);
    for (int64_t i = 0; i < size(); ++i) bits_[i] = 0;
    for (int64_t j = 0; size() > 0 && j < t_.n; j += kVector) {
      static_assert(kBits % kVector == 0);
      VecUint keys = VecUint{} + static_cast<uint32_t>(kNoWord);
      __builtin_memcpy(&keys, p_.lexical.k_words + t_.k_begin + j,
                       static_cast<size_t>(smaller(kVector, t_.n - j)) * sizeof(int32_t));
      for (int64_t i = 0; i < t_.m; ++i) {
        const auto word = static_cast<uint32_t>(p_.lexical.q_words[t_.q_begin + i]);
        const VecInt match = (keys ^ word) - 1u < static_cast<uint32_t>(kMaxWordSegments - 1);
        bits_[i * row_ + j / kBits] |= lanes_of(match) << j % kBits;
      }
    }
  }
  // Calls body(j) for each key that matches query i, in order.
  template <class Body>
  void for_each(int64_t i, const Body& body) const {
    for (int64_t b = 0; b < row_; ++b) {
      for (uint32_t bits = bits_[i * row_ + b]; bits != 0; bits &= bits - 1)
        body(b * kBits + __builtin_ctz(bits));
    }
  }
  // Adds the bias of the task's head to the unscaled products of queries from `begin` on.
  void add_to(int64_t begin, int64_t rows, float* scores) const {
    if (row_ == 0) return;
    const float bias = p_.lexical.table[t_.head] / p_.scale;
    for (int64_t i = 0; i < rows; ++i)
      for_each(begin + i, [&](int64_t j) { scores[i * t_.row + j] += bias; });
  }

 private:
  static constexpr int64_t kBits = 32;  // of a word of bits
  const SegmentAttentionParams& p_;
  const Task& t_;
  int64_t row_;  // words of bits of a query
  uint32_t* bits_ = nullptr;
};

}  // namespace
}  // namespace lait::kernels
