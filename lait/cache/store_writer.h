// Appends records to files of its own, in batches.
//
// A batch is written without its first head, then synced; then this head is written and synced.
// Readers stop at a head that is not whole, so they see all of a batch or none of it, wherever the
// writer is killed. If writing fails before the last step, the batch is cut off again.
//
// The file in use is locked (flock) until it is complete; a process that ends, however, unlocks it.
// Nobody writes to it after that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "lait/base/content_hash.h"

namespace lait {

struct StoreWriteOptions {
  // What computes the values (instruction set or GPU, versions), e.g. as JSON. At most 64 KiB.
  std::string made_by{};
  // A file that a batch would make larger is closed, and the batch begins a new one. A batch is
  // never divided, so a larger batch makes a larger file.
  uint64_t file_bytes = uint64_t{256} << 20;
  // The most that the folder may hold; the oldest files are dropped for new ones. A file is then at
  // most a 16th of it. 0: no limit. Not counted: what other processes add to files that they have
  // begun.
  uint64_t max_bytes = 0;
};

struct DigestHash {
  size_t operator()(const Digest& key) const noexcept { return key.low; }
};

// For one thread.
class StoreWriter {
 public:
  // Makes the folder if it is missing, and begins a file. Throws WriteError, and
  // std::invalid_argument if made_by is too long.
  StoreWriter(std::filesystem::path dir, StoreWriteOptions options);
  // Drops the open batch.
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // Adds to the open batch, in memory, a record whose payload is the parts one after another.
  void append(const Digest& key, std::span<const std::span<const std::byte>> parts);
  bool is_in_batch(const Digest& key) const { return keys_.contains(key); }
  uint64_t batch_bytes() const { return batch_.size(); }
  // Writes and syncs the open batch. Throws WriteError; the batch is lost then, and the next one
  // begins a new file.
  void commit();

 private:
  uint64_t head_bytes() const;  // of a file, until its first record
  void begin_file();
  void close_file();
  void drop_batch();

  std::filesystem::path dir_;
  StoreWriteOptions options_;
  std::vector<std::byte> batch_;  // records as in the file, but for file_id, offset and checksum
  std::vector<size_t> heads_;     // where they begin in batch_
  std::unordered_set<Digest, DigestHash> keys_;  // of the batch
  int fd_ = -1;                                  // -1: no file is open
  std::filesystem::path path_;                   // of the open file
  uint64_t id_ = 0;
  uint64_t end_ = 0;
  bool has_records_ = false;
};

}  // namespace lait
