#include "lait/base/file_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstring>
#include <utility>

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr mode_t kMode = 0666;  // less the user's umask
constexpr mode_t kPermissions = 0777;
constexpr int kMostLinks = 40;  // as the kernel follows

// The temporary files in use, in memory that a signal handler may read: a slot's name is complete
// while in_use is set. When all slots are taken, a further file is not listed, and a signal leaves
// it behind. Our programs write fewer files at once.
struct Slot {
  std::atomic<bool> taken{false}, in_use{false};
  std::array<char, PATH_MAX> path{};
};
std::array<Slot, 16> slots;
constexpr size_t kNoSlot = slots.size();

size_t note(const fs::path& temporary) {
  const std::string path = fs::absolute(temporary).string();  // a program may change its folder
  for (size_t s = 0; s < slots.size() && path.size() < PATH_MAX; ++s) {
    if (slots[s].taken.exchange(true)) continue;
    std::memcpy(slots[s].path.data(), path.c_str(), path.size() + 1);
    slots[s].in_use = true;
    return s;
  }
  return kNoSlot;
}

void forget(size_t& slot) {
  if (slot == kNoSlot) return;
  slots[slot].in_use = false;
  slots[slot].taken = false;
  slot = kNoSlot;
}

// Files that exist already, while no slot has their name yet.
std::atomic<int> being_opened{0};

// While a file is opened and noted, its thread takes no signal, and a handler in another thread
// waits. (Not for a file that a thread begins to open after that.)
class Opening {
 public:
  Opening() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
    ++being_opened;
  }
  ~Opening() {
    --being_opened;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

 private:
  sigset_t before_;
};

const char* way_out(int error) {
  switch (error) {
    case ENOSPC:
      return "free some space there, or name another place";
    case EDQUOT:
      return "your quota there is used up: free some of it, or name another place";
    case EFBIG:
      return "files there may not grow so large: see ulimit -f, or name another place";
    case EACCES:
    case EPERM:
      return "give yourself the permission to write there, or name another place";
    case EROFS:
      return "name a place that can be written to";
    case ENOENT:
      return "the folder is gone: make it again, or name another place";
    case ENOTDIR:
    case EEXIST:
      return "a part of the path is a file: name another place";
    case ENAMETOOLONG:
      return "name a shorter path";
    case ELOOP:
      return "the links form a loop: fix them, or name another place";
    default:
      return "check the disk, or name another place";
  }
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_write_error(path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// The name of an open descriptor, which is what /dev/stdout links to.
bool is_descriptor(const fs::path& path) { return path.string().starts_with("/proc/"); }

// Follows the links of a path. The last one may lead to a file that does not exist yet. Stops at
// the name of a descriptor.
fs::path behind_links(fs::path path) {
  const fs::path given = path;
  std::error_code error;
  for (int links = 0; !is_descriptor(path) && fs::is_symlink(path, error); ++links) {
    if (links == kMostLinks) throw_write_error(given, "write", ELOOP);
    fs::path target = fs::read_symlink(path, error);
    if (error) throw_write_error(given, "follow the link", error.value());
    path = path.parent_path() / target;  // an absolute target alone
  }
  return path;
}

// Called before anything is written, so that the next version of a private file is never readable
// by others.
void set_mode(int fd, mode_t mode, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && (status.st_mode & kPermissions) == (mode & kPermissions)) return;
  if (::fchmod(fd, mode & kPermissions) != 0)
    throw_write_error(path, "keep the file's permissions");
}

// Opens the temporary file and locks it, so that two writers of one file do not mix their bytes.
// The lock ends with the process, so a file that a crash left is reused.
int open_alone(const fs::path& temporary, const fs::path& path) {
  for (;;) {
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, kMode);
    if (fd < 0) throw_write_error(path);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd);
      throw WriteError(
          path.string() +
          ": cannot write: another process is writing it; wait for it, or name another place");
    }
    // The other writer may have renamed or removed the file before it was locked here.
    struct stat opened {
    }, named{};
    const bool same = ::fstat(fd, &opened) == 0 && ::stat(temporary.c_str(), &named) == 0 &&
                      opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
    if (same && ::ftruncate(fd, 0) == 0) return fd;
    const int error = errno;
    ::close(fd);
    if (same) throw_write_error(path, "write", error);
  }
}

}  // namespace

void throw_write_error(const fs::path& path, const std::string& what, int error) {
  throw WriteError(path.string() + ": cannot " + what + ": " + std::strerror(error) + "; " +
                   way_out(error));
}

void remove_unfinished_files() {
  // At most a second, since a disk may hang. (poll is a sleep that signal handlers may call.)
  for (int i = 0; i < 1000 && being_opened > 0; ++i) ::poll(nullptr, 0, /*milliseconds=*/1);
  for (const Slot& slot : slots) {
    if (slot.in_use) ::unlink(slot.path.data());
  }
}

FileWriter::FileWriter(const fs::path& path) : path_(behind_links(path)), slot_(kNoSlot) {
  struct stat status {};
  const bool is_there = ::stat(path.c_str(), &status) == 0;
  if (is_there && (!S_ISREG(status.st_mode) || is_descriptor(path_))) {
    if (S_ISDIR(status.st_mode))
      throw WriteError(path.string() +
                       ": cannot write: expected a file, got a folder; name a file");
    fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd_ < 0) throw_write_error(path);
    return;
  }
  if (!path_.has_filename())
    throw WriteError(path.string() + ": cannot write: expected a file, got a folder; name a file");
  if (path_.has_parent_path()) {
    std::error_code error;
    fs::create_directories(path_.parent_path(), error);
    if (error) throw_write_error(path_.parent_path(), "make the folder", error.value());
  }
  fs::path temporary = path_.string() + kUnfinishedSuffix;
  {
    const Opening opening;
    fd_ = open_alone(temporary, path_);
    temporary_ = std::move(temporary);
    slot_ = note(temporary_);
  }
  try {
    if (is_there) set_mode(fd_, status.st_mode, path_);
  } catch (...) {
    discard();
    throw;
  }
}

FileWriter::~FileWriter() { discard(); }

void FileWriter::discard() {
  if (fd_ < 0) return;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  forget(slot_);
  ::close(std::exchange(fd_, -1));
}

void FileWriter::write(std::string_view bytes) { write_all(fd_, bytes, path_); }

void FileWriter::sync() {
  if (!temporary_.empty() && ::fsync(fd_) != 0) throw_write_error(path_);
}

void FileWriter::commit() {
  sync();
  if (!temporary_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw_write_error(path_, "rename into place");
  forget(slot_);
  if (::close(std::exchange(fd_, -1)) != 0) throw_write_error(path_);
  if (!temporary_.empty()) sync_folder(path_.has_parent_path() ? path_.parent_path() : ".");
}

void append_text(const fs::path& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode);
  if (fd < 0) throw_write_error(path);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  try {
    write_all(fd, text, path);
  } catch (...) {
    const bool taken_back = size < 0 || ::ftruncate(fd, size) == 0;
    static_cast<void>(taken_back);  // the first error is reported
    ::close(fd);
    throw;
  }
  if (::close(fd) != 0) throw_write_error(path);
}

void sync_folder(const fs::path& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) return;  // the folder is writable but not readable
  if (fd < 0) throw_write_error(dir);
  // EINVAL: the file system has nothing to sync.
  const int error = ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
  ::close(fd);
  if (error != 0) throw_write_error(dir, "sync the folder", error);
}

}  // namespace lait
