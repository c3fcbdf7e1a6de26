#include "lait/model/frozen.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"
#include "lait/config/numbers.h"
#include "lait/schedule.h"

namespace lait {
namespace {

// The layers [first, last] of "layer 3" or "layers 0-3".
std::optional<std::pair<int64_t, int64_t>> layer_range(const std::string& text) {
  static constexpr std::string_view kOne = "layer ", kSeveral = "layers ";
  const bool one = text.starts_with(kOne);
  if (!one && !text.starts_with(kSeveral)) return std::nullopt;
  const std::string range = text.substr((one ? kOne : kSeveral).size());
  const size_t dash = range.find('-');
  const auto first = parse_number<int64_t>(range.substr(0, dash));
  const auto last = dash == range.npos ? first : parse_number<int64_t>(range.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair{*first, *last};
}

}  // namespace

FrozenParts resolve_frozen(const NameList& list, const Schedule& schedule, int64_t num_layers) {
  FrozenParts out;
  if (list.empty()) return out;
  out.layers.resize(static_cast<size_t>(num_layers));
  for (const std::string& part : list) {
    if (part == "embeddings") {
      out.embeddings = true;
    } else if (part == "independent") {
      const int64_t count = independent_layers(schedule);
      if (count == 0) {
        throw UserError(
            "training.freeze: independent: expected independent layers, got none "
            "(model.independent_layers is 0)");
      }
      out.embeddings = true;
      std::fill_n(out.layers.begin(), count, true);
    } else if (const auto range = layer_range(part); range && range->second < num_layers) {
      std::fill(out.layers.begin() + range->first, out.layers.begin() + range->second + 1, true);
    } else {
      throw UserError(
          "training.freeze: expected embeddings, independent, layer N or layers A-B (0 to " +
          std::to_string(num_layers - 1) + "), got " + shown(part));
    }
  }
  return out;
}

}  // namespace lait
