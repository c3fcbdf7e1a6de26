#include "lait/ranks/balance.h"

#include <algorithm>
#include <numeric>

namespace lait {

std::vector<int> deal_out(std::span<const double> costs, std::vector<double>& load) {
  std::vector<size_t> order(costs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](size_t i) { return costs[i]; });
  std::vector<int> rank_of(costs.size());
  for (const size_t i : order) {
    const auto least = std::ranges::min_element(load);
    *least += costs[i];
    rank_of[i] = static_cast<int>(least - load.begin());
  }
  return rank_of;
}

}  // namespace lait
