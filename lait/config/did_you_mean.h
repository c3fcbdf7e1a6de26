// The known name nearest to a misspelt one, for messages.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "lait/config/enum_names.h"

namespace lait {

// The candidate with the fewest edits to `name` (insertions, deletions, substitutions, swaps of
// neighbours; upper and lower case count as equal), or "" if all are farther than a slip: more than
// two edits, or more than a third of the letters.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// " (did you mean X?)" or "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lait
