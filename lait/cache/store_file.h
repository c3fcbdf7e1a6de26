// One file of a store: its format, and how it is read.
//
//   head     FileHead, then made_by, then zeros up to a multiple of 64 bytes
//   records  each: RecordHead, then the payload, then zeros up to a multiple of 64 bytes
//
// Numbers are in the machine's byte order. A file only grows, and only while its writer has it
// locked (flock). The first head that is not whole ends it: there a writer was killed, or one is
// writing now. A RecordHead says where it stands, so bytes of other files or other places are not
// taken for records.
//
// Heads are read with pread, payloads are mapped. Only whole records are touched in the map, so a
// writer may cut off what follows them. If somebody else makes a file shorter while it is mapped,
// reading the lost part ends the process (SIGBUS), as with any mapped file.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lait/base/content_hash.h"

namespace lait {

inline constexpr std::string_view kStoreSuffix = ".segments";
inline constexpr uint64_t kStoreAlignment = 64;  // a cache line; every tensor library's alignment
inline constexpr uint64_t kMaxMadeByBytes = 64 << 10;
// Goes up with every change of the format.
inline constexpr uint32_t kStoreVersion = 1;

struct FileHead {
  static constexpr std::array<char, 8> kMagic{'L', 'A', 'I', 'T', '.', 'S', 'E', 'G'};
  std::array<char, 8> magic = kMagic;
  uint32_t version = kStoreVersion;
  uint32_t made_by_bytes = 0;
  int64_t created = 0;    // ns since 1970
  uint64_t id = 0;        // random
  uint64_t checksum = 0;  // of the fields above and of made_by
};
struct RecordHead {
  static constexpr std::array<char, 8> kMagic{'L', 'A', 'I', 'T', '.', 'R', 'E', 'C'};
  std::array<char, 8> magic = kMagic;
  Digest key;
  uint64_t bytes = 0;             // of the payload
  uint64_t payload_checksum = 0;  // checksum_of the payload
  uint64_t file_id = 0;           // FileHead::id
  uint64_t offset = 0;            // of this head in the file
  uint64_t checksum = 0;          // of the fields above
};
static_assert(sizeof(FileHead) == 40 && sizeof(RecordHead) == kStoreAlignment);

constexpr uint64_t aligned(uint64_t bytes) {
  return (bytes + kStoreAlignment - 1) / kStoreAlignment * kStoreAlignment;
}
uint64_t checksum_of(std::span<const std::byte> bytes);
// Of a head as it is written: with its checksum.
FileHead sealed(FileHead head, std::string_view made_by);
RecordHead sealed(RecordHead head);

// Something in a store that is not as it was written.
struct StoreFault {
  std::filesystem::path file;
  uint64_t offset = 0;  // in bytes
  std::string what;
};

class StoreFile : public std::enable_shared_from_this<StoreFile> {
 public:
  struct Record {
    Digest key;
    uint64_t offset = 0, bytes = 0;  // of the payload
    uint64_t checksum = 0;
  };
  // What tells one file from another, and whether it has changed.
  struct Status {
    uint64_t device = 0, inode = 0, size = 0;
    bool is_same_file(const Status& other) const {
      return device == other.device && inode == other.inode;
    }
  };

  // Reads the head. nullptr: the file cannot be used, and *fault says why; it is empty if the file
  // is gone, is no regular file (links are not followed) or has no whole head yet.
  // Throws UserError if the process or the disk is at its limits.
  static std::shared_ptr<StoreFile> open(const std::filesystem::path& path, std::string* fault);
  ~StoreFile();
  StoreFile(const StoreFile&) = delete;
  StoreFile& operator=(const StoreFile&) = delete;

  // The records that are not yet read, and maps them. One thread at a time. Costs one small read
  // for each record. Throws UserError as open does.
  std::vector<Record> read_new();
  // Whether read_new would find one. Reads at most one head.
  bool has_new() const;
  // A record that read_new returned, in the map. Any thread, as long as this object lives.
  std::span<const std::byte> payload(const Record& record) const {
    return {data_.load(std::memory_order_acquire) + record.offset, record.bytes};
  }

  const std::filesystem::path& path() const { return path_; }
  const std::string& made_by() const { return made_by_; }
  int64_t created() const { return created_; }  // ns since 1970
  const Status& status() const { return status_; }
  // Where the last whole record ends.
  uint64_t end() const { return end_; }

 private:
  explicit StoreFile(std::filesystem::path path) : path_(std::move(path)) {}
  // The record whose head stands at `at` in a file of that size; nullopt: there is no whole one.
  std::optional<Record> record_at(int fd, uint64_t at, uint64_t size) const;

  std::filesystem::path path_;
  std::string made_by_;
  int64_t created_ = 0;
  uint64_t id_ = 0;
  Status status_;
  uint64_t end_ = 0;
  std::atomic<const std::byte*> data_{nullptr};   // the newest map
  std::vector<std::pair<void*, uint64_t>> maps_;  // older ones may be in use
};

// The regular files NAME.segments of a folder, with their names in order. Throws UserError if the
// folder cannot be read.
std::vector<std::pair<std::filesystem::path, StoreFile::Status>> list_store_files(
    const std::filesystem::path& dir);

}  // namespace lait
