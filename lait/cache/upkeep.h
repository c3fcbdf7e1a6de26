// What is in a store's folder, whether it is whole, and making it smaller. Other processes may read
// and write the store meanwhile.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lait/cache/store_file.h"

namespace lait {

struct StoreStat {
  uint64_t files = 0, records = 0;  // a key in two files is two records
  uint64_t bytes = 0;               // of the files
  uint64_t unusable_files = 0;      // of those: without a whole head, or not readable
  // Of the files: after the last whole record, and all of the unusable ones. A batch that a process
  // is writing now is not counted.
  uint64_t torn_bytes = 0;
  std::map<std::string, uint64_t> bytes_by_made_by;  // of the usable files
};
// Reads the heads of all records. `each`, which may be null, is called with each payload, whose
// checksum has not been compared. Throws UserError if the folder cannot be read.
StoreStat stat_store(const std::filesystem::path& dir,
                     const std::function<void(std::span<const std::byte>)>& each = {});

struct StoreCheck {
  uint64_t records = 0;  // whole ones
  // Each damaged record, torn tail and unusable file.
  std::vector<StoreFault> faults;
};
// Reads everything. Throws UserError if the folder cannot be read.
StoreCheck verify_store(const std::filesystem::path& dir);

struct PruneResult {
  uint64_t files = 0, bytes = 0;  // dropped
  uint64_t bytes_left = 0;
};
// Drops files without a record, which a killed process left, and the oldest files until at most
// max_bytes are left. Files that a process is writing stay. So
// do files that do not begin as a store's do; one whose head is damaged behind that is the oldest.
// Readers keep what they have mapped. Throws UserError if the folder cannot be read, WriteError if
// a file cannot be removed.
PruneResult prune_store(const std::filesystem::path& dir, uint64_t max_bytes);

}  // namespace lait
