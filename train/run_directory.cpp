#include "train/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "lait/error.h"
#include "lait/files.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".lock";
constexpr const char* kStepPrefix = "step-";
constexpr const char* kTemporarySuffix = ".writing";

std::string reason() { return std::strerror(errno); }

// Names in checkpoints/ with their steps, oldest first.
std::vector<std::pair<int64_t, fs::path>> checkpoints(const fs::path& dir) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir / "checkpoints", error)) {
    const std::string name = entry.path().filename();
    int64_t step = 0;
    const char* begin = name.data() + std::strlen(kStepPrefix);
    if (!name.starts_with(kStepPrefix)) continue;
    const auto [end, failed] = std::from_chars(begin, name.data() + name.size(), step);
    if (failed == std::errc() && end == name.data() + name.size()) found.emplace_back(step, entry.path());
  }
  std::ranges::sort(found);
  return found;
}

void sync_folder(const fs::path& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

// Makes `target` by fill(temporary folder beside it) and a rename.
void write_folder(const fs::path& target, const std::function<void(const fs::path&)>& fill) {
  const fs::path temporary = target.string() + kTemporarySuffix;
  const fs::path previous = target.string() + ".previous";
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  fill(temporary);
  sync_folder(temporary);
  fs::remove_all(previous);
  if (fs::exists(target)) fs::rename(target, previous);
  fs::rename(temporary, target);
  sync_folder(target.parent_path());
  fs::remove_all(previous);
}

}  // namespace

RunDirectory::RunDirectory(const fs::path& dir, IfExists if_exists) : dir_(dir) {
  const bool has_run = fs::exists(dir / "config.yaml");
  const bool has_other = fs::exists(dir) && (!fs::is_directory(dir) || std::ranges::any_of(fs::directory_iterator(dir), [](const auto& entry) {
                                               return entry.path().filename() != kLockName;
                                             }));
  if (has_run && if_exists == IfExists::kRefuse) {
    throw UserError(dir.string() + ": a run is here already; continue it with --resume, replace it with --overwrite, or name "
                    "another folder with --output");
  }
  if (has_other && !has_run) {
    throw UserError(dir.string() + ": expected a new folder or a run directory, got something else (no config.yaml in it); "
                    "name another folder with --output");
  }
  if (!has_run && if_exists == IfExists::kResume) {
    throw UserError(dir.string() + ": nothing to resume, there is no run here; leave out --resume to start one");
  }
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) throw UserError(dir.string() + ": cannot create the run directory: " + error.message() + "; name another with --output");
  lock_ = ::open((dir / kLockName).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (lock_ < 0) throw UserError(dir.string() + ": cannot write to the run directory: " + reason() + "; name another with --output");
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw UserError(dir.string() + ": another process is training into this folder; name another with --output");
  }
  if (has_run && if_exists == IfExists::kOverwrite) {
    for (const char* name : {"checkpoints", "best", "best.previous", "metrics.jsonl", "report.json", "config.yaml"}) fs::remove_all(dir / name);
  }
  // A run that died between the two renames of best/.
  if (!fs::exists(best()) && fs::exists(dir / "best.previous")) fs::rename(dir / "best.previous", best());
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

void RunDirectory::write_config(const std::string& yaml) const { write_file(dir_ / "config.yaml", yaml); }

void RunDirectory::append_metrics(const nlohmann::ordered_json& line) {
  const fs::path path = dir_ / "metrics.jsonl";
  const std::string text = line.dump() + "\n";
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const std::string why = reason();
  if (fd >= 0) ::close(fd);
  if (!written) throw std::runtime_error(path.string() + ": cannot write: " + why);
}

void RunDirectory::truncate_metrics(int64_t step) {
  const fs::path path = dir_ / "metrics.jsonl";
  if (!fs::exists(path)) return;
  std::string kept;
  LineReader reader(path);
  while (auto line = reader.next()) {
    const auto json = nlohmann::json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("step", int64_t{0}) <= step) kept += *line + "\n";
  }
  write_file(path, kept);
}

std::optional<fs::path> RunDirectory::newest_checkpoint() const {
  const auto found = checkpoints(dir_);
  return found.empty() ? std::nullopt : std::optional(found.back().second);
}

void RunDirectory::save_checkpoint(int64_t step, int64_t keep, const std::function<void(const fs::path&)>& fill) const {
  fs::create_directories(dir_ / "checkpoints");
  write_folder(dir_ / "checkpoints" / (kStepPrefix + std::to_string(step)), fill);
  const auto found = checkpoints(dir_);
  for (size_t i = 0; i + static_cast<size_t>(std::max<int64_t>(1, keep)) < found.size(); ++i) fs::remove_all(found[i].second);
}

void RunDirectory::save_best(const std::function<void(const fs::path&)>& fill) const { write_folder(best(), fill); }

}  // namespace lait
