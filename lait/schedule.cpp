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

Schedule split_schedule(int64_t independent_layers, const Schedule& schedule) {
  std::vector<Stage> layers;  // of one layer each
  for (const Stage& stage : schedule)
    layers.insert(layers.end(), stage.num_layers, {1, stage.scope, stage.updates});
  const auto is_first = [](const Stage& layer) { return layer.updates == Updates::kFirst; };
  const bool all_joint = std::ranges::all_of(layers, [&](const Stage& layer) {
    return layer.scope != Scope::kExample || is_first(layer);
  });
  Schedule out = split_schedule(independent_layers, std::ssize(layers));
  if (!std::ranges::any_of(layers, is_first) || out.back().scope != Scope::kExample) return out;
  if (all_joint) {
    out.back().updates = Updates::kFirst;
    return out;
  }
  const int64_t one_sided =
      std::min(out.back().num_layers, int64_t{std::ranges::count_if(layers, is_first)});
  out.back().num_layers -= one_sided;
  if (out.back().num_layers == 0) out.pop_back();
  out.push_back({one_sided, Scope::kExample, Updates::kFirst});
  return out;
}

std::string order_problem(const Schedule& schedule) {
  const Stage* before = nullptr;
  for (const Stage& stage : schedule) {
    if (before != nullptr && stage.scope < before->scope) {
      return "scopes may only widen (segment, group, example), got " + to_string(stage.scope) +
             " after " + to_string(before->scope);
    }
    if (stage.updates == Updates::kFirst && stage.scope != Scope::kExample)
      return "updates: first is for stages of scope example, got " + to_string(stage.scope);
    if (before != nullptr && before->updates == Updates::kFirst &&
        stage.updates != Updates::kFirst) {
      return "only stages with updates: first may follow one, since the other segments' rows are "
             "no longer updated";
    }
    before = &stage;
  }
  return "";
}

void check_schedule(const Schedule& schedule, int64_t num_layers) {
  int64_t total = 0;
  for (const Stage& stage : schedule) {
    if (stage.num_layers < 1)
      throw UserError("expected stages of at least 1 layer, got " +
                      std::to_string(stage.num_layers));
    total += stage.num_layers;
  }
  const std::string problem = order_problem(schedule);
  if (!problem.empty()) throw UserError(problem);
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

int64_t segment_layers(const Schedule& schedule) {
  int64_t layers = 0;
  for (const Stage& stage : schedule)
    layers += stage.scope == Scope::kSegment ? stage.num_layers : 0;
  return layers;
}

bool has_scope(const Schedule& schedule, Scope scope) {
  return std::ranges::any_of(
      schedule, [&](const Stage& stage) { return stage.num_layers > 0 && stage.scope == scope; });
}

bool is_one_sided(const Schedule& schedule) {
  return std::ranges::any_of(schedule, [](const Stage& stage) {
    return stage.num_layers > 0 && stage.updates == Updates::kFirst;
  });
}

bool is_stock(const Schedule& schedule) {
  return !has_scope(schedule, Scope::kSegment) && !has_scope(schedule, Scope::kGroup) &&
         !is_one_sided(schedule);
}

namespace {
// Whether a stage begins a level of its own after rows of `before`.
bool begins_level(const Stage& stage, const LevelRows& before) {
  return stage.num_layers > 0 && (stage.scope > before.scope || stage.updates > before.updates);
}
}  // namespace

std::vector<Step> steps(const Schedule& schedule, Scope sequences) {
  std::vector<Step> out;
  LevelRows rows{sequences};
  size_t level = 0;
  for (const Stage& stage : schedule) {
    if (stage.num_layers > 0 && sequences == Scope::kExample && !is_stock({stage})) {
      throw UserError(
          "the pair format makes one sequence of an example, for schedules that treat its segments "
          "alike, got " +
          describe({stage}) + "; use segment_format: standalone");
    }
    for (int64_t i = 0; i < stage.num_layers; ++i) {
      const bool joins = begins_level(stage, rows);
      level += joins;
      rows = {stage.scope, stage.updates};
      out.push_back({.layer = std::ssize(out), .level = level, .joins = joins});
    }
  }
  if (!out.empty()) out.back().last = true;
  return out;
}

std::vector<LevelRows> levels(const Schedule& schedule, Scope sequences) {
  std::vector<LevelRows> out{{sequences}};
  for (const Stage& stage : schedule) {
    if (begins_level(stage, out.back())) out.push_back({stage.scope, stage.updates});
  }
  return out;
}

size_t means_step(const std::vector<Step>& steps, const std::vector<LevelRows>& levels,
                  const Reads& reads) {
  if (reads.means != Reads::Means::kAtJoin) return kFinalStates;
  for (size_t s = 0; s < steps.size(); ++s) {
    if (levels[steps[s].level].scope == Scope::kExample)
      return s > 0 && steps[s].joins ? s : kFinalStates;
  }
  return kFinalStates;
}

Schedule for_inference(const Schedule& schedule, const Reads& reads) {
  Schedule out = schedule;
  std::erase_if(out, [](const Stage& stage) { return stage.num_layers == 0; });
  if (out.size() < 2 || out.back().scope != Scope::kExample || out.back().num_layers != 1 ||
      out[out.size() - 2].scope == Scope::kExample)
    return out;
  const Updates before = out.back().updates;
  out.back().updates = Updates::kFirst;
  if (reads.rows != Reads::Rows::kFirst || reads_kept_rows(out, reads)) out.back().updates = before;
  return out;
}

bool reads_kept_rows(const Schedule& schedule, const Reads& reads) {
  if (!is_one_sided(schedule)) return false;
  const SegmentList first{0};
  using Rows = Reads::Rows;
  if (reads.rows == Rows::kAll) return true;
  if ((reads.rows == Rows::kSegments || reads.rows == Rows::kFirstAndTexts) &&
      reads.row_segments != first)
    return true;
  const bool final = means_step(steps(schedule, Scope::kSegment), levels(schedule, Scope::kSegment),
                                reads) == kFinalStates;
  return reads.means != Reads::Means::kNone && final && reads.mean_segments != first;
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
            to_string(stage.scope) + (stage.updates == Updates::kFirst ? " (updates first)" : "");
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
