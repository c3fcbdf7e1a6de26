// A run directory: config.yaml (resolved), metrics.jsonl, tensorboard/, checkpoints/step-N/, best/,
// report.json, learning_curve.svg, profile.json.
// Nothing in it is ever half-written: files and checkpoints are written under a temporary name,
// synced and renamed. Writing throws WriteError.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/event_file.h"

namespace lait {

// The files beside config.yaml, and the one that is added to best/ at the end.
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kReportFile = "report.json";
inline constexpr const char* kLearningCurveFile = "learning_curve.svg";
inline constexpr const char* kProfileFile = "profile.json";
inline constexpr const char* kModelCardFile = "README.md";

enum class IfExists { kRefuse, kResume, kOverwrite };

// The folder of a run's token cache (train/token_cache.h). It is not part of the run, and
// --overwrite keeps it.
inline constexpr const char* kCacheFolder = "cache";

// Throws UserError if `dir` exists and is not a run directory, or there is no run to resume. Writes
// nothing, so that it can be asked before the data is read.
void check_run_directory(const std::filesystem::path& dir, IfExists if_exists);

class RunDirectory {
 public:
  // Creates dir, or opens it to resume, or empties it first. Throws UserError as
  // check_run_directory does, and if it holds a run (kRefuse), another process trains into it
  // (named by pid and host), or it cannot be written.
  RunDirectory(const std::filesystem::path& dir, IfExists if_exists);
  // Of a rank beside the first one: what would write does nothing.
  explicit RunDirectory(const std::filesystem::path& dir) : dir_(dir), writes_(false) {}
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return dir_; }
  std::filesystem::path best() const { return dir_ / "best"; }
  void write_config(const std::string& yaml) const;
  // Appends one line to metrics.jsonl, with its time in seconds since 1970, and to TensorBoard's
  // event file.
  void append_metrics(const nlohmann::ordered_json& line);
  // Of the first `lines` lines (nullopt: all) keeps those of the steps up to `step`. A resumed run
  // writes the others again. Begins TensorBoard's event file, with the lines that are kept.
  void truncate_metrics(int64_t step, std::optional<int64_t> lines = {});
  // Written to metrics.jsonl or kept. REQUIRES of a run that resumes: truncate_metrics was called.
  int64_t metrics_lines() const { return metrics_lines_; }
  // All checkpoints, newest first. Throws UserError where their folder cannot be listed.
  std::vector<std::filesystem::path> checkpoints() const;
  // Calls fill(temporary folder), renames it to checkpoints/step-N, and returns that. Keeps the
  // `keep` newest up to this one. Those of later steps go: the run did not resume from them because
  // they were damaged. metrics.jsonl is on the disk before, so that a checkpoint finds its lines.
  std::filesystem::path save_checkpoint(
      int64_t step, int64_t keep,
      const std::function<void(const std::filesystem::path&)>& fill) const;
  // The same for best/. The previous one stays until the new one is complete.
  void save_best(const std::function<void(const std::filesystem::path&)>& fill) const;

 private:
  void lock();
  void clean(bool everything);

  std::filesystem::path dir_;
  bool writes_ = true;
  int lock_ = -1;
  int64_t metrics_lines_ = 0;
  EventFile events_;
};

}  // namespace lait
