#include "train/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <functional>

#include "lait/base/error.h"
#include "lait/base/file_writer.h"
#include "lait/base/files.h"
#include "lait/base/this_process.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".lock";
constexpr const char* kCheckpoints = "checkpoints";
constexpr const char* kBest = "best";
constexpr const char* kConfigFile = "config.yaml";
constexpr const char* kTensorBoard = "tensorboard";
constexpr const char* kPreviousSuffix = ".previous";
constexpr const char* kStepPrefix = "step-";

// The N of "step-N".
std::optional<int64_t> step_of(const std::string& name) {
  int64_t step = 0;
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  const char *begin = name.data() + std::strlen(kStepPrefix), *end = name.data() + name.size();
  const auto [stopped, failed] = std::from_chars(begin, end, step);
  return failed == std::errc() && stopped == end ? std::optional(step) : std::nullopt;
}

// Folders in checkpoints/ with their steps, newest first.
std::vector<std::pair<int64_t, fs::path>> find_checkpoints(const fs::path& dir) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code error;
  const fs::directory_iterator entries(dir / kCheckpoints, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    throw UserError((dir / kCheckpoints).string() + ": cannot list: " + error.message() +
                    "; make it a folder that you may read");
  }
  for (const auto& entry : entries) {
    if (const auto step = step_of(entry.path().filename())) found.emplace_back(*step, entry.path());
  }
  std::ranges::sort(found, std::greater());
  return found;
}

// Whether lait-train made the folder. Other programs' folders can have a config.yaml too, and
// --overwrite removes what it finds.
bool has_run(const fs::path& dir) {
  return fs::exists(dir / kConfigFile) &&
         (fs::exists(dir / kLockName) || fs::exists(dir / kBest / "lait.yaml") ||
          !find_checkpoints(dir).empty());
}

// Creates `target` by calling fill() with a temporary folder beside it and renaming that. The
// parent must exist, so a run directory that was removed during a run is not created again. If
// anything fails, the target is the previous one and the temporary folder is removed.
void write_folder(const fs::path& target, const std::function<void(const fs::path&)>& fill) {
  const fs::path temporary = target.string() + kUnfinishedSuffix,
                 previous = target.string() + kPreviousSuffix;
  try {
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    fill(temporary);
    sync_folder(temporary);
    fs::remove_all(previous);
    if (fs::exists(target)) fs::rename(target, previous);
    fs::rename(temporary, target);
    sync_folder(target.parent_path());
    fs::remove_all(previous);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    if (!fs::exists(target, ignored) && fs::exists(previous, ignored))
      fs::rename(previous, target, ignored);
    if (const auto* failed = dynamic_cast<const fs::filesystem_error*>(&error))
      throw_write_error(target, "write", failed->code().value());
    throw;
  }
}

// What was appended to it is on the disk then.
void sync_file(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) throw_write_error(file);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error != 0) throw_write_error(file, "write", error);
}

}  // namespace

void check_run_directory(const fs::path& dir, IfExists if_exists) {
  if (!has_run(dir) && fs::exists(dir) &&
      (!fs::is_directory(dir) ||
       std::ranges::any_of(fs::directory_iterator(dir), [](const auto& entry) {
         return entry.path().filename() != kLockName && entry.path().filename() != kCacheFolder &&
                entry.path().filename() != std::string(kConfigFile) + kUnfinishedSuffix;
       }))) {
    throw UserError(dir.string() +
                    ": expected a new folder or a run directory, got something that lait-train did "
                    "not make; name another folder with --output");
  }
  if (!has_run(dir) && if_exists == IfExists::kResume) {
    throw UserError(dir.string() +
                    ": nothing to resume, there is no run here; leave out --resume to start one");
  }
}

RunDirectory::RunDirectory(const fs::path& dir, IfExists if_exists) : dir_(dir) {
  check_run_directory(dir, if_exists);
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) throw_write_error(dir, "make the run directory", error.value());
  lock();
  try {
    if (has_run(dir) && if_exists == IfExists::kRefuse) {
      throw UserError(dir.string() +
                      ": there is a run already; continue it with --resume, replace it with "
                      "--overwrite, or name another folder with --output");
    }
    clean(if_exists == IfExists::kOverwrite);
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

// Only this process trains into the folder while it lives. A crash also releases the lock.
void RunDirectory::lock() {
  const fs::path file = dir_ / kLockName;
  lock_ = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (lock_ < 0) throw_write_error(file);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    char owner[512] = "";
    const ssize_t size = ::pread(lock_, owner, sizeof(owner) - 1, 0);
    ::close(lock_);
    if (error != EWOULDBLOCK) throw_write_error(file, "lock", error);
    throw UserError(dir_.string() + ": another process is training into this folder" +
                    (size > 0 ? std::string(" (") + owner + ")" : "") +
                    "; wait for it or stop it, or name another folder with --output");
  }
  const std::string owner = this_process();  // for the message of a second one
  if (::ftruncate(lock_, 0) != 0 ||
      ::pwrite(lock_, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    const int reason = errno;
    ::close(lock_);
    throw_write_error(file, "write", reason);
  }
}

// Removes unfinished files of a run that was killed. With `everything` also removes the run, its
// config.yaml last.
void RunDirectory::clean(bool everything) {
  std::vector<fs::path> targets;
  for (const char* name :
       {kBest, kConfigFile, kMetricsFile, kReportFile, kLearningCurveFile, kProfileFile})
    targets.push_back(dir_ / name);
  targets.push_back(dir_ / kBest / kModelCardFile);
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(dir_ / kCheckpoints, none)) {
    const fs::path& path = entry.path();
    if ((path.extension() == kUnfinishedSuffix || path.extension() == kPreviousSuffix) &&
        step_of(path.stem()))
      targets.push_back(path.parent_path() / path.stem());
  }
  for (const fs::path& target : targets) {
    const fs::path previous = target.string() + kPreviousSuffix;
    // Killed between the two renames of write_folder.
    if (!fs::exists(target) && fs::exists(previous)) fs::rename(previous, target);
    fs::remove_all(previous);
    fs::remove_all(target.string() + kUnfinishedSuffix);
  }
  if (!everything) return;
  for (const char* name : {kCheckpoints, kBest, kMetricsFile, kTensorBoard, kLearningCurveFile,
                           kProfileFile, kReportFile, kConfigFile})
    fs::remove_all(dir_ / name);
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

void RunDirectory::write_config(const std::string& yaml) const {
  if (writes_) write_file(dir_ / kConfigFile, yaml);
}

void RunDirectory::append_metrics(const nlohmann::ordered_json& line) {
  if (writes_) {
    nlohmann::ordered_json timed = line;
    timed["time"] = unix_seconds();
    append_text(dir_ / kMetricsFile, timed.dump() + "\n");
    events_.append(timed);
  }
  ++metrics_lines_;
}

void RunDirectory::truncate_metrics(int64_t step, std::optional<int64_t> lines) {
  metrics_lines_ = 0;
  if (!writes_) return;
  const fs::path path = dir_ / kMetricsFile;
  std::vector<nlohmann::ordered_json> kept;
  if (fs::exists(path)) {
    std::string text;
    LineReader reader(path);
    for (int64_t read = 0; !lines || read < *lines; ++read) {
      const auto line = reader.next();
      if (!line) break;
      auto json = nlohmann::ordered_json::parse(*line, nullptr, /*allow_exceptions=*/false);
      if (json.is_object() && json.contains("step") && json["step"].is_number_integer() &&
          json["step"].get<int64_t>() <= step) {
        text += *line + "\n";
        kept.push_back(std::move(json));
      }
    }
    write_file(path, text);
  }
  metrics_lines_ = std::ssize(kept);
  events_.begin(dir_ / kTensorBoard, kept);
}

std::vector<fs::path> RunDirectory::checkpoints() const {
  std::vector<fs::path> out;
  for (auto& [step, path] : find_checkpoints(dir_)) out.push_back(std::move(path));
  return out;
}

fs::path RunDirectory::save_checkpoint(int64_t step, int64_t keep,
                                       const std::function<void(const fs::path&)>& fill) const {
  const fs::path saved = dir_ / kCheckpoints / (kStepPrefix + std::to_string(step));
  if (!writes_) return saved;
  std::error_code error;
  fs::create_directory(dir_ / kCheckpoints, error);
  if (error) throw_write_error(dir_ / kCheckpoints, "make the folder", error.value());
  if (fs::exists(dir_ / kMetricsFile)) sync_file(dir_ / kMetricsFile);
  write_folder(saved, fill);
  int64_t older = 0;
  for (const auto& [other, path] : find_checkpoints(dir_)) {
    if (other > step || (other < step && ++older >= keep)) fs::remove_all(path);
  }
  return saved;
}

void RunDirectory::save_best(const std::function<void(const fs::path&)>& fill) const {
  if (writes_) write_folder(best(), fill);
}

}  // namespace lait
