// Places that cannot be written: a small disk that can be filled, and a process without root's
// capabilities.
#pragma once
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/base/temporary_folder.h"

namespace lait {

// A tmpfs where this process may mount one. Otherwise, or if kLimit is asked for, a folder, and
// filling it limits the size of files (the same path through the program, with another error).
class SmallDisk {
 public:
  enum class Kind { kTmpfs, kLimit };
  explicit SmallDisk(size_t kib, Kind kind = Kind::kTmpfs) {
    mounted_ = kind == Kind::kTmpfs && ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0,
                                               ("size=" + std::to_string(kib) + "k").c_str()) == 0;
    std::signal(SIGXFSZ, SIG_IGN);
  }
  ~SmallDisk() {
    free();
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

  // Leaves room for `leave_kib` KiB (pages of 4), for this process and the programs that it starts.
  void fill(size_t leave_kib) {
    free();
    if (mounted_) {
      std::ofstream filler(folder_ / kFiller, std::ios::binary);
      const std::string page(4096, 'x');
      while (filler.write(page.data(), 4096).flush()) {
      }
      filler.close();
      const auto size = std::filesystem::file_size(folder_ / kFiller);
      std::filesystem::resize_file(folder_ / kFiller,
                                   size > leave_kib * 1024 ? size - leave_kib * 1024 : 0);
    } else {
      limit(leave_kib * 1024);
    }
  }
  void free() {
    std::filesystem::remove(folder_ / kFiller);
    if (!mounted_) limit(RLIM_INFINITY);
  }
  // KiB to leave free in tests. With a limit each file has that much room, so small ones would fit.
  std::vector<size_t> rooms() const {
    return mounted_ ? std::vector<size_t>{0, 4, 16, 32} : std::vector<size_t>{0};
  }
  std::string reason() const { return mounted_ ? "No space left on device" : "File too large"; }

 private:
  static constexpr const char* kFiller = "filler";
  static void limit(rlim_t bytes) {
    rlimit limits{};
    ::getrlimit(RLIMIT_FSIZE, &limits);
    limits.rlim_cur = std::min(bytes, limits.rlim_max);
    ::setrlimit(RLIMIT_FSIZE, &limits);
  }

  bool mounted_ = false;
  TemporaryFolder folder_;
};

// While it exists, permissions apply to this thread even if it is root's.
class NoPowers {
 public:
  NoPowers() {
    ::syscall(SYS_capget, &header_, before_);
    __user_cap_data_struct none[2] = {before_[0], before_[1]};
    none[0].effective = none[1].effective = 0;
    ::syscall(SYS_capset, &header_, none);
  }
  ~NoPowers() { ::syscall(SYS_capset, &header_, before_); }
  NoPowers(const NoPowers&) = delete;
  NoPowers& operator=(const NoPowers&) = delete;

  // Put before a command line, it starts the program without them, like an ordinary user's.
  static std::string command() {
    return ::geteuid() == 0 ? "setpriv --inh-caps=-all --bounding-set=-all " : "";
  }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

// Makes the folders below `path` read-only while it exists.
class ReadOnly {
 public:
  explicit ReadOnly(const std::filesystem::path& path) : path_(path) {
    set(std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  }
  ~ReadOnly() { set(std::filesystem::perms::owner_all); }

 private:
  void set(std::filesystem::perms perms) const {
    namespace fs = std::filesystem;
    fs::permissions(path_, perms);
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (entry.is_directory()) fs::permissions(entry.path(), perms);
    }
  }
  std::filesystem::path path_;
};

// The files below a folder with their bytes, to check that nothing has changed.
inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    out[std::filesystem::relative(entry.path(), folder).string()] =
        std::string(std::istreambuf_iterator<char>(in), {});
  }
  return out;
}

}  // namespace lait
