// The nearest name to a misspelt one, for messages.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "lait/config/enum_names.h"

namespace lait {

// The candidate nearest to `name` by edits (insertions, deletions, substitutions, swaps of neighbours), or "" where none
// is near: more than a third of the letters wrong.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// " (did you mean X?)" or "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace lait
