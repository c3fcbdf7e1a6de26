// lait/cache/: values under 128-bit keys in a folder of files: append-only, mapped, checksummed. It
// knows bytes only, no model.
//
//   SegmentStore store(dir, {.made_by = R"({"isa": "avx512"})"});
//   if (const auto value = store.find(key)) {
//     use(value->bytes);         // in the mapped file, 64-byte aligned
//   } else {
//     store.append(key, {keys, values});
//   }
//   store.commit();              // visible to others, and on the disk
//
// Any number of processes read and write one folder at once: each writer has files of its own. Two
// values of one key are equal by definition, so any of them serves. A process that is killed loses
// its open batch and nothing else. Damage (a flipped bit, a torn end) makes a value absent, never
// wrong.
//
// Stores are merged by copying files into one folder. Files may be removed at any time. Replacing a
// file in place while a process reads the store is not safe; cp -n leaves files that are there.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lait/base/content_hash.h"
#include "lait/cache/store_file.h"
#include "lait/cache/store_writer.h"

namespace lait {

struct StoredValue {
  std::span<const std::byte> bytes;  // begins at a multiple of 64
  std::string_view made_by;          // StoreWriteOptions::made_by of its writer
  // Keeps both valid, also after the store is gone.
  std::shared_ptr<const void> owner;
};

// All functions may be called by several threads at once.
class SegmentStore {
 public:
  // To read. Throws UserError if there is no such folder.
  explicit SegmentStore(std::filesystem::path dir);
  // To read and write. Makes the folder if it is missing. Throws WriteError if nothing can be
  // written there.
  SegmentStore(std::filesystem::path dir, StoreWriteOptions options);
  ~SegmentStore();
  SegmentStore(const SegmentStore&) = delete;
  SegmentStore& operator=(const SegmentStore&) = delete;

  // The first use of a value compares its checksum. If it is damaged, it is absent, and faults()
  // has it. Of several copies one by `preferred` (StoreWriteOptions::made_by) is taken, if there is
  // one.
  std::optional<StoredValue> find(const Digest& key, std::string_view preferred = {}) const;
  // Whether there is such a record, or one made by `made_by`, as far as is known: its checksum may
  // not have been compared.
  bool contains(const Digest& key, std::optional<std::string_view> made_by = {}) const;

  // Adds a value, the parts one after another, to the open batch. The parts are copied. A key that
  // the store has by the same maker, or the batch has, is left out. A large batch is committed by
  // itself, which bounds the memory. Throws WriteError then, and std::logic_error if the store was
  // opened to read.
  void append(const Digest& key, std::span<const std::span<const std::byte>> parts);
  void append(const Digest& key, std::initializer_list<std::span<const std::byte>> parts) {
    append(key, std::span(parts.begin(), parts.size()));
  }
  // Makes the open batch visible and durable, and calls refresh(). Without it the batch is lost.
  // Throws WriteError (a full disk); the batch is lost then, what was committed before is not.
  void commit();

  // Takes in what other processes have added, and forgets files that are gone. Costs a listing of
  // the folder if nothing has changed. Throws UserError if the folder cannot be read.
  void refresh();

  // Copies of a key count each.
  size_t num_records() const;
  // Damaged values that were asked for, and files that cannot be used, each once. (Torn ends are
  // no faults here: another process may be writing. verify_store tells.)
  std::vector<StoreFault> faults() const;

 private:
  enum class State : uint8_t { kUnseen, kWhole, kDamaged };
  struct Entry {
    Entry(const StoreFile* file, const StoreFile::Record& record) : file(file), record(record) {}
    const StoreFile* file;  // one of files_
    StoreFile::Record record;
    mutable std::atomic<State> state{State::kUnseen};
  };
  bool is_whole(const Entry& entry) const;
  void add_fault(StoreFault fault) const;
  void commit_batch();

  const std::filesystem::path dir_;
  const std::string made_by_;  // of the writer

  std::mutex writer_mutex_;
  std::unique_ptr<StoreWriter> writer_;  // null: opened to read

  std::mutex files_mutex_;
  std::map<std::filesystem::path, std::shared_ptr<StoreFile>> files_;
  std::set<std::filesystem::path> unusable_;  // those whose fault is in faults_

  mutable std::shared_mutex index_mutex_;
  std::unordered_multimap<Digest, Entry, DigestHash> index_;

  mutable std::mutex faults_mutex_;
  mutable std::vector<StoreFault> faults_;
};

}  // namespace lait
