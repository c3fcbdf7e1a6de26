// The known name nearest to a misspelt one, for messages.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "lait/config/enum_names.h"

namespace lait {

// The candidate with the fewest edits to `name` (insertions, deletions, substitutions, swaps of
// neighbours), or "" if more than a third of the letters are wrong in all of them.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// " (did you mean X?)" or "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lait
