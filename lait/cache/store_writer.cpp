#include "lait/cache/store_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <utility>

#include "lait/base/file_writer.h"
#include "lait/cache/store_file.h"
#include "lait/cache/upkeep.h"

namespace lait {
namespace {

constexpr mode_t kStoreFileMode = 0666;  // less the user's umask
constexpr uint64_t kMostFilesOf = 16;    // parts of max_bytes

// False: errno says why.
bool write_at(int fd, std::span<const std::byte> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

// Whether somebody has removed the open file.
bool is_removed(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && status.st_nlink == 0;
}

uint64_t random_number() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// Names in order of time, which no two files share.
std::string file_name(int64_t created, uint64_t id) {
  std::array<char, 40> name{};
  std::snprintf(name.data(), name.size(), "%016llx-%016llx",
                static_cast<unsigned long long>(created), static_cast<unsigned long long>(id));
  return name.data() + std::string(kStoreSuffix);
}

}  // namespace

StoreWriter::StoreWriter(std::filesystem::path dir, StoreWriteOptions options)
    : dir_(std::move(dir)), options_(std::move(options)) {
  if (options_.made_by.size() > kMaxMadeByBytes)
    throw std::invalid_argument("StoreWriter: made_by must be of at most " +
                                std::to_string(kMaxMadeByBytes) + " bytes, got " +
                                std::to_string(options_.made_by.size()));
  if (options_.max_bytes > 0)
    options_.file_bytes = std::min(options_.file_bytes, options_.max_bytes / kMostFilesOf);
  std::error_code error;
  std::filesystem::create_directories(dir_, error);
  if (error) throw_write_error(dir_, "make the folder", error.value());
  begin_file();  // now and not at the first commit: a place that cannot be written is said early
}

StoreWriter::~StoreWriter() { close_file(); }

uint64_t StoreWriter::head_bytes() const {
  return aligned(sizeof(FileHead) + options_.made_by.size());
}

void StoreWriter::begin_file() {
  if (options_.max_bytes > 0) {
    const uint64_t room = std::max<uint64_t>(options_.file_bytes, head_bytes() + batch_.size());
    prune_store(dir_, options_.max_bytes - std::min(room, options_.max_bytes));
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const FileHead head =
      sealed({.created = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(),
              .id = random_number()},
             options_.made_by);
  path_ = dir_ / file_name(head.created, head.id);
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kStoreFileMode);
  if (fd_ < 0) throw_write_error(path_);
  id_ = head.id;
  end_ = head_bytes();
  has_records_ = false;
  std::vector<std::byte> bytes(end_);
  std::memcpy(bytes.data(), &head, sizeof(head));
  std::memcpy(bytes.data() + sizeof(head), options_.made_by.data(), options_.made_by.size());
  try {
    // Locked before it has a head, without which prune_store does not touch it.
    if (::flock(fd_, LOCK_EX) != 0) throw_write_error(path_, "lock");
    if (!write_at(fd_, bytes, 0)) throw_write_error(path_);
    sync_folder(dir_);
  } catch (...) {
    close_file();
    throw;
  }
}

void StoreWriter::close_file() {
  if (fd_ < 0) return;
  if (!has_records_) ::unlink(path_.c_str());
  ::close(std::exchange(fd_, -1));
}

void StoreWriter::drop_batch() {
  batch_.clear();
  heads_.clear();
  keys_.clear();
}

void StoreWriter::append(const Digest& key, std::span<const std::span<const std::byte>> parts) {
  const size_t at = batch_.size();
  batch_.resize(at + sizeof(RecordHead));
  for (const auto part : parts) batch_.insert(batch_.end(), part.begin(), part.end());
  const auto payload = std::span(batch_).subspan(at + sizeof(RecordHead));
  const RecordHead head{
      .key = key, .bytes = payload.size(), .payload_checksum = checksum_of(payload)};
  std::memcpy(batch_.data() + at, &head, sizeof(head));
  batch_.resize(aligned(batch_.size()));
  heads_.push_back(at);
  keys_.insert(key);
}

void StoreWriter::commit() {
  if (heads_.empty()) return;
  struct Drop {
    StoreWriter& writer;
    ~Drop() { writer.drop_batch(); }
  } drop{*this};
  const bool is_full = has_records_ && end_ + batch_.size() > options_.file_bytes;
  if (fd_ >= 0 && (is_full || is_removed(fd_))) close_file();
  if (fd_ < 0) begin_file();
  for (const size_t at : heads_) {
    RecordHead head;
    std::memcpy(&head, batch_.data() + at, sizeof(head));
    head.file_id = id_;
    head.offset = end_ + at;
    head = sealed(head);
    std::memcpy(batch_.data() + at, &head, sizeof(head));
  }
  const std::span<const std::byte> batch(batch_);
  const auto first = batch.first(sizeof(RecordHead)), rest = batch.subspan(sizeof(RecordHead));
  if (!write_at(fd_, rest, end_ + sizeof(RecordHead)) || ::fdatasync(fd_) != 0 ||
      !write_at(fd_, first, end_)) {
    const int error = errno;
    const bool is_cut = ::ftruncate(fd_, static_cast<off_t>(end_)) == 0;
    static_cast<void>(is_cut);  // the first error is reported; what is left has no whole head
    close_file();
    throw_write_error(path_, "write", error);
  }
  // Others may see the batch from here on, so it is not cut off any more.
  has_records_ = true;
  end_ += batch.size();
  if (::fdatasync(fd_) != 0) {
    const int error = errno;
    close_file();
    throw_write_error(path_, "write", error);
  }
}

}  // namespace lait
