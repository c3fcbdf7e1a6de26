#include "train/open_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "lait/base/error.h"
#include "lait/config/write.h"
#include "train/run.h"

namespace lait {
namespace {

// A checkpoint can only continue its own run. The spelling of a path may change, since the data has
// a checksum (trainer.h).
void check_is_the_run(const std::filesystem::path& dir, const Config& config) {
  std::vector<std::string> changed = changed_since(dir, config);
  std::erase_if(changed, [](const std::string& name) {
    return name == "data.train" || name == "data.validation" || name == "data.bodies" ||
           name == "data.corpus" || name == "data.wiki_pages" ||
           name == "training.distill.teacher" || name == "training.distill.data";
  });
  if (changed.empty()) return;
  throw UserError(fmt::format(
      "{}: the run was started with other values of {} (config.yaml); resume with those, "
      "or start over with --overwrite",
      dir.string(), fmt::join(changed, ", ")));
}

// A run without checkpoints stopped before its first one, or lost them. A finished run is kept.
void begin_anew(const std::filesystem::path& dir, Progress& progress) {
  if (std::filesystem::exists(dir / "report.json")) {
    throw UserError(dir.string() +
                    ": the run is finished, and its checkpoints are gone, so there is nothing to "
                    "resume; replace it with --overwrite");
  }
  progress.warning(dir.string() + ": there is no checkpoint, so the run begins anew");
}

// --overwrite removes the run in `dir`, which must not contain a model that the new run reads.
void check_keeps_model(const std::string& key, const std::filesystem::path& model,
                       const std::filesystem::path& dir) {
  const std::string inside = std::filesystem::weakly_canonical(model).string() + "/",
                    folder = std::filesystem::weakly_canonical(dir).string() + "/";
  if (!inside.starts_with(folder)) return;
  throw UserError(key + ": " + model.string() + " lies in " + dir.string() +
                  ", which --overwrite would remove; name another folder with --output");
}

}  // namespace

std::optional<ResumePoint> open_run(const RunInputs& in, IfExists if_exists, Progress& progress,
                                    std::optional<RunDirectory>& run) {
  const std::filesystem::path& dir = in.config.output.dir;
  if (if_exists == IfExists::kOverwrite) {
    check_keeps_model("model.path", in.model_dir, dir);
    if (in.distilled) check_keeps_model("training.distill.teacher", in.distilled->dir, dir);
  }
  run.emplace(dir, if_exists);
  if (if_exists == IfExists::kResume) check_is_the_run(dir, in.config);
  if (const auto checkpoints = run->checkpoints(); !checkpoints.empty())
    return find_resume_point(checkpoints, [&](const auto& text) { progress.warning(text); });
  if (if_exists == IfExists::kResume) begin_anew(dir, progress);
  run->truncate_metrics(0);
  run->write_config(write_config(in.config));
  return std::nullopt;
}

}  // namespace lait
