#include <algorithm>

#include "lait/data/packing.h"

namespace lait {

std::vector<Scope> PackPlan::levels() const {
  if (format == SegmentFormat::kPair) return {Scope::kExample};
  std::vector<Scope> scopes{Scope::kSegment};
  for (const Stage& stage : stages) {
    if (stage.num_layers > 0 && stage.scope > scopes.back()) scopes.push_back(stage.scope);
  }
  return scopes;
}

bool PackPlan::means_from_final() const {
  if (pooling != Pooling::kClsSegments) return true;
  const auto scopes = levels();
  if (format == SegmentFormat::kPair || scopes.back() != Scope::kExample) return true;
  const auto first = std::ranges::find_if(stages, [](const Stage& s) { return s.num_layers > 0; });
  return first->scope == Scope::kExample;  // no layer before the first example-scope stage
}

int PackPlan::mean_level() const {
  const int last = static_cast<int>(levels().size()) - 1;
  return means_from_final() ? last : last - 1;
}

bool PackPlan::reads_first_rows() const {
  return pooling == Pooling::kCls || (pooling == Pooling::kClsSegments && !means_from_final());
}

}  // namespace lait
