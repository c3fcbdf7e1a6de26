// Parameters that every implementation of a row operation refuses.
#pragma once
#include <stdexcept>
#include <string>

#include "kernels/row_ops.h"

namespace lait::kernels {

inline void check_dropout_add(const DropoutAddParams& params) {
  const float p = params.dropout.p;
  if (!(p >= 0 && p < 1)) {
    throw std::invalid_argument("dropout_add: dropout.p must be in [0, 1), got " +
                                std::to_string(p));
  }
  if (p > 0 && params.num_rows > 0 && (params.unit_ids == nullptr || params.positions == nullptr)) {
    throw std::invalid_argument("dropout_add: dropout needs unit_ids and positions, got null");
  }
}

}  // namespace lait::kernels
