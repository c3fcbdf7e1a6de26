// The checksums are inlined: the library's own take a third longer.
#define XXH_INLINE_ALL
#include "lait/cache/store_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lait/base/error.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void cannot(const fs::path& path, const std::string& what, int error) {
  throw UserError(path.string() + ": cannot " + what + ": " + std::strerror(error) +
                  "; check the disk and the process's limits (ulimit -a)");
}

class Descriptor {
 public:
  // O_NONBLOCK: a pipe is not waited for.
  explicit Descriptor(const fs::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

// Reads up to `size` bytes: fewer only at the end of the file.
uint64_t read_at(int fd, void* to, uint64_t size, uint64_t offset, const fs::path& path) {
  uint64_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd, static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot(path, "read", errno);
    if (n == 0) break;
    done += static_cast<uint64_t>(n);
  }
  return done;
}

StoreFile::Status status_of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<uint64_t>(status.st_size)};
}

// The fields before the checksum, which is the last one.
template <class Head>
uint64_t checksum_of_fields(const Head& head) {
  return XXH3_64bits(&head, offsetof(Head, checksum));
}

}  // namespace

uint64_t checksum_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

FileHead sealed(FileHead head, std::string_view made_by) {
  head.made_by_bytes = static_cast<uint32_t>(made_by.size());
  head.checksum = XXH3_64bits_withSeed(made_by.data(), made_by.size(), checksum_of_fields(head));
  return head;
}

RecordHead sealed(RecordHead head) {
  head.checksum = checksum_of_fields(head);
  return head;
}

std::shared_ptr<StoreFile> StoreFile::open(const fs::path& path, std::string* fault) {
  fault->clear();
  const Descriptor fd(path);
  if (fd < 0 && (errno == EACCES || errno == EPERM)) {
    *fault = std::string("cannot read: ") + std::strerror(errno);
    return nullptr;
  }
  if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENXIO) cannot(path, "read", errno);
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  FileHead head;
  const uint64_t head_bytes = read_at(fd, &head, sizeof(head), 0, path);
  if (head_bytes >= sizeof(head.magic) && head.magic != FileHead::kMagic)
    *fault = "expected a file of segments, got one that begins with other bytes";
  if (head_bytes < sizeof(head) || !fault->empty()) return nullptr;
  if (head.version != kStoreVersion) {
    *fault = "expected version " + std::to_string(kStoreVersion) + " of the format, got " +
             std::to_string(head.version);
    return nullptr;
  }
  std::string made_by(std::min<uint64_t>(head.made_by_bytes, kMaxMadeByBytes), '\0');
  const bool is_short =
      read_at(fd, made_by.data(), made_by.size(), sizeof(head), path) < made_by.size();
  if (sealed(head, made_by).checksum != head.checksum || head.made_by_bytes != made_by.size()) {
    if (!is_short) *fault = "its head is damaged";
    return nullptr;
  }
  std::shared_ptr<StoreFile> file(new StoreFile(path));
  file->made_by_ = std::move(made_by);
  file->created_ = head.created;
  file->id_ = head.id;
  file->status_ = status_of(status);
  file->end_ = aligned(sizeof(head) + file->made_by_.size());
  return file;
}

StoreFile::~StoreFile() {
  for (const auto& [data, size] : maps_) ::munmap(data, size);
}

std::optional<StoreFile::Record> StoreFile::record_at(int fd, uint64_t at, uint64_t size) const {
  RecordHead head;
  if (at >= size || size - at < sizeof(head)) return std::nullopt;
  if (read_at(fd, &head, sizeof(head), at, path_) < sizeof(head)) return std::nullopt;
  if (head.magic != RecordHead::kMagic || sealed(head).checksum != head.checksum)
    return std::nullopt;
  if (head.file_id != id_ || head.offset != at) return std::nullopt;
  const uint64_t payload = at + sizeof(head);
  if (head.bytes > size - payload) return std::nullopt;
  return Record{
      .key = head.key, .offset = payload, .bytes = head.bytes, .checksum = head.payload_checksum};
}

bool StoreFile::has_new() const {
  const Descriptor fd(path_);
  struct stat status {};
  // Gone or replaced by now: the folder's next listing will show it.
  return fd >= 0 && ::fstat(fd, &status) == 0 && status_.is_same_file(status_of(status)) &&
         record_at(fd, end_, status_of(status).size);
}

std::vector<StoreFile::Record> StoreFile::read_new() {
  std::vector<Record> records;
  const Descriptor fd(path_);
  struct stat status {};
  // Gone or replaced by now: the folder's next listing will show it.
  if (fd < 0 || ::fstat(fd, &status) != 0 || !status_.is_same_file(status_of(status)))
    return records;
  status_ = status_of(status);
  uint64_t end = end_;
  while (const auto record = record_at(fd, end, status_.size)) {
    records.push_back(*record);
    end = record->offset + aligned(record->bytes);
  }
  if (!records.empty()) {
    if (maps_.empty() || maps_.back().second < end) {
      // A file that grows is mapped anew at twice its size, so that there are few maps. Linux makes
      // the pages beyond the end readable as the file grows into them; none is read before.
      const uint64_t size = maps_.empty() ? end : 2 * end;
      void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
      if (data == MAP_FAILED) cannot(path_, "map", errno);
      maps_.emplace_back(data, size);
      data_.store(static_cast<const std::byte*>(data), std::memory_order_release);
    }
  }
  end_ = end;
  return records;
}

std::vector<std::pair<fs::path, StoreFile::Status>> list_store_files(const fs::path& dir) {
  std::vector<std::pair<fs::path, StoreFile::Status>> files;
  std::error_code error;
  for (fs::directory_iterator entry(dir, error), none; !error && entry != none;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    struct stat status {};
    if (path.native().ends_with(kStoreSuffix) && ::lstat(path.c_str(), &status) == 0 &&
        S_ISREG(status.st_mode))
      files.emplace_back(path, status_of(status));
  }
  if (error == std::errc::no_such_file_or_directory)
    throw UserError(dir.string() +
                    ": expected a folder of cached segments, got nothing there; "
                    "check the path");
  if (error == std::errc::not_a_directory)
    throw UserError(dir.string() +
                    ": expected a folder of cached segments, got a file; check the "
                    "path");
  if (error)
    throw UserError(dir.string() + ": cannot list the folder: " + error.message() +
                    "; check its permissions");
  std::ranges::sort(files, {}, [](const auto& file) { return file.first; });
  return files;
}

}  // namespace lait
