#include "lait/schedule.h"

#include <algorithm>

#include "lait/base/error.h"

namespace lait {

Schedule split_schedule(int64_t independent_layers, int64_t num_layers) {
  if (independent_layers < 0 || independent_layers > num_layers) {
    throw UserError("expected 0 to " + std::to_string(num_layers) +
                    ", the model's number of layers, got " + std::to_string(independent_layers));
  }
  Schedule schedule;
  if (independent_layers > 0) schedule.push_back({independent_layers, Scope::kSegment});
  if (independent_layers < num_layers)
    schedule.push_back({num_layers - independent_layers, Scope::kExample});
  return schedule;
}

void check_schedule(const Schedule& schedule, int64_t num_layers) {
  int64_t total = 0;
  const Stage* before = nullptr;
  for (const Stage& stage : schedule) {
    if (stage.num_layers < 1)
      throw UserError("expected stages of at least 1 layer, got " +
                      std::to_string(stage.num_layers));
    total += stage.num_layers;
    if (before != nullptr && stage.scope < before->scope) {
      throw UserError("scopes may only widen (segment, group, example), got " +
                      to_string(stage.scope) + " after " + to_string(before->scope));
    }
    before = &stage;
  }
  if (total != num_layers) {
    throw UserError("expected stages of " + std::to_string(num_layers) +
                    " layers together, the model's number, got " + std::to_string(total));
  }
}

int64_t independent_layers(const Schedule& schedule) {
  int64_t layers = 0;
  for (const Stage& stage : schedule) {
    if (stage.scope == Scope::kExample) break;
    layers += stage.num_layers;
  }
  return layers;
}

bool has_scope(const Schedule& schedule, Scope scope) {
  return std::ranges::any_of(
      schedule, [&](const Stage& stage) { return stage.num_layers > 0 && stage.scope == scope; });
}

std::vector<Step> steps(const Schedule& schedule, Scope sequences) {
  std::vector<Step> out;
  Scope scope = sequences;
  size_t level = 0;
  for (const Stage& stage : schedule) {
    if (stage.num_layers > 0 && stage.scope < sequences) {
      throw UserError(
          "the pair format makes one sequence of an example, for schedules of example "
          "scope only, got a stage of scope " +
          to_string(stage.scope) + "; use segment_format: standalone");
    }
    for (int64_t i = 0; i < stage.num_layers; ++i) {
      const bool joins = stage.scope > scope;
      level += joins;
      scope = stage.scope;
      out.push_back({.layer = std::ssize(out), .level = level, .joins = joins});
    }
  }
  if (!out.empty()) out.back().last = true;
  return out;
}

std::vector<Scope> levels(const Schedule& schedule, Scope sequences) {
  std::vector<Scope> out{sequences};
  for (const Stage& stage : schedule) {
    if (stage.num_layers > 0 && stage.scope > out.back()) out.push_back(stage.scope);
  }
  return out;
}

size_t means_step(const std::vector<Step>& steps, const std::vector<Scope>& levels,
                  const Reads& reads) {
  if (reads.means != Reads::Means::kAtJoin) return kFinalStates;
  for (size_t s = 0; s < steps.size(); ++s) {
    if (levels[steps[s].level] == Scope::kExample)
      return s > 0 && steps[s].joins ? s : kFinalStates;
  }
  return kFinalStates;
}

bool makes_all_rows(const Reads& reads, size_t means_step) {
  return reads.rows == Reads::Rows::kAll ||
         (reads.means != Reads::Means::kNone && means_step == kFinalStates &&
          reads.mean_segments.empty());
}

std::string describe(const Schedule& schedule) {
  std::string text;
  for (const Stage& stage : schedule) {
    if (stage.num_layers == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(stage.num_layers) + " × " +
            to_string(stage.scope);
  }
  return text;
}

std::string to_string(Scope scope) {
  switch (scope) {
    case Scope::kSegment:
      return "segment";
    case Scope::kGroup:
      return "group";
    case Scope::kExample:
      return "example";
  }
  return "?";
}

}  // namespace lait
