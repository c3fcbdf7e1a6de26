// What every implementation requires of its parameters. Values of offsets are right by construction (see the packing).
#pragma once
#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>

#include "kernels/segment_attention.h"

namespace lait::kernels {

inline void check_params(const SegmentAttentionParams& p) {
  if (std::find(std::begin(kHeadDims), std::end(kHeadDims), p.head_dim) == std::end(kHeadDims)) {
    throw std::invalid_argument("segment_attention: head_dim must be one of {32, 64, 128}, got " + std::to_string(p.head_dim));
  }
  if (p.dropout.p < 0 || p.dropout.p >= 1) {
    throw std::invalid_argument("segment_attention: dropout.p must be in [0, 1), got " + std::to_string(p.dropout.p));
  }
  if (p.dropout.p > 0 && p.unit_ids == nullptr) throw std::invalid_argument("segment_attention: dropout needs unit_ids, got null");
}

}  // namespace lait::kernels
