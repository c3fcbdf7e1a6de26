// Deals work out to ranks.
#pragma once
#include <span>
#include <vector>

namespace lait {

// The rank of each piece of work: the costliest first, each to the rank with the least so far,
// which `load` counts, one number for each rank.
std::vector<int> deal_out(std::span<const double> costs, std::vector<double>& load);

}  // namespace lait
