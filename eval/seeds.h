// Means over runs that differ in their seed alone.
//
// A mean's 95 % interval is over seeds and examples (mean_interval). A difference to P = 0 is that
// of the means, on the same examples.
#pragma once
#include <vector>

#include "eval/evaluation.h"

namespace lait {

// Appends a row for each set of rows that have the same config but for the seed, the same data and
// P, and different seeds. Its reference for differences is the mean with P = 0 whose first metric
// is the best.
void add_seed_means(std::vector<Evaluation>& rows);

}  // namespace lait
