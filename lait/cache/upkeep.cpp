#include "lait/cache/upkeep.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <tuple>
#include <utility>

#include "lait/base/file_writer.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

// A file, open and locked against writers while this exists.
class LockedFile {
 public:
  LockedFile(const fs::path& path, int operation)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {
    if (fd_ >= 0 && ::flock(fd_, operation | LOCK_NB) != 0) error_ = errno;
  }
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  bool is_open() const { return fd_ >= 0; }
  bool is_being_written() const { return error_ == EWOULDBLOCK; }
  // Of locking, but for a writer's lock. 0: none.
  int error() const { return is_being_written() ? 0 : error_; }
  bool begins_as_a_store_file() const {
    std::array<char, FileHead::kMagic.size()> magic{};
    return ::pread(fd_, magic.data(), magic.size(), 0) == static_cast<ssize_t>(magic.size()) &&
           magic == FileHead::kMagic;
  }

 private:
  int fd_;
  int error_ = 0;
};

// A writer never comes back to a file. So one that is not locked now ends where it ends.
bool is_being_written(const fs::path& path) { return LockedFile(path, LOCK_SH).is_being_written(); }

}  // namespace

StoreStat stat_store(const fs::path& dir,
                     const std::function<void(std::span<const std::byte>)>& each) {
  StoreStat stat;
  for (const auto& [path, status] : list_store_files(dir)) {
    const bool is_growing = is_being_written(path);
    std::string fault;
    const auto file = StoreFile::open(path, &fault);
    ++stat.files;
    if (file == nullptr) {
      stat.bytes += status.size;
      stat.torn_bytes += is_growing ? 0 : status.size;
      stat.unusable_files += !is_growing;
      continue;
    }
    const std::vector<StoreFile::Record> records = file->read_new();
    stat.records += records.size();
    if (each) {
      for (const StoreFile::Record& record : records) each(file->payload(record));
    }
    const uint64_t size = file->status().size;
    stat.bytes += size;
    stat.bytes_by_made_by[file->made_by()] += size;
    if (!is_growing) stat.torn_bytes += size - std::min(file->end(), size);
  }
  return stat;
}

StoreCheck verify_store(const fs::path& dir) {
  StoreCheck check;
  for (const auto& [path, status] : list_store_files(dir)) {
    const bool is_growing = is_being_written(path);
    std::string fault;
    const auto file = StoreFile::open(path, &fault);
    if (file == nullptr) {
      if (fault.empty() && !is_growing) fault = "expected a whole head, got a file that ends in it";
      if (!fault.empty()) check.faults.push_back({path, 0, fault});
      continue;
    }
    for (const StoreFile::Record& record : file->read_new()) {
      if (checksum_of(file->payload(record)) == record.checksum) {
        ++check.records;
      } else {
        check.faults.push_back(
            {path, record.offset, "record " + to_string(record.key) + " is damaged"});
      }
    }
    const uint64_t size = file->status().size;
    if (file->end() < size && !is_growing)
      check.faults.push_back(
          {path, file->end(),
           "the last " + std::to_string(size - file->end()) + " bytes are no whole record"});
  }
  return check;
}

PruneResult prune_store(const fs::path& dir, uint64_t max_bytes) {
  PruneResult result;
  std::vector<std::tuple<int64_t, fs::path, uint64_t>> files;  // created, path, size
  std::set<fs::path> without_records;
  for (const auto& [path, status] : list_store_files(dir)) {
    std::string fault;
    const auto file = StoreFile::open(path, &fault);
    files.emplace_back(file == nullptr ? 0 : file->created(), path, status.size);
    if (file != nullptr && !file->has_new()) without_records.insert(path);
    result.bytes_left += status.size;
  }
  std::ranges::sort(files);
  for (const auto& [created, path, size] : files) {
    if (result.bytes_left <= max_bytes && !without_records.contains(path)) continue;
    const LockedFile file(path, LOCK_EX);
    if (!file.is_open() || file.is_being_written() || !file.begins_as_a_store_file()) continue;
    if (file.error() != 0) throw_write_error(path, "lock", file.error());
    std::error_code gone;
    if (fs::file_size(path, gone) != size && result.bytes_left <= max_bytes) continue;  // it grew
    const bool is_removed = ::unlink(path.c_str()) == 0;
    if (!is_removed && errno != ENOENT) throw_write_error(path, "remove");
    result.bytes_left -= size;
    if (!is_removed) continue;  // another process was faster
    ++result.files;
    result.bytes += size;
  }
  return result;
}

}  // namespace lait
