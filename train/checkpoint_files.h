// The files of a checkpoint with their sizes and checksums, as its state.json lists them. Damage is
// found before anything of the checkpoint is used.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lait/base/error.h"

namespace lait {

// A file that is there and cannot be read. Its bytes may be whole, so this is no damage.
struct UnreadableFile : UserError {
  using UserError::UserError;
};

struct FileSum {
  std::string name;  // its path in the folder
  uint64_t bytes = 0;
  uint32_t crc32 = 0;  // as zlib, gzip and PNG compute it
};

uint32_t crc32_of(std::string_view text);
// The bytes of a file. Throws UnreadableFile, or UserError where there is no such file.
std::string read_bytes(const std::filesystem::path& file);
// Of all files in the folder and below it, sorted by name. Reads them. Throws as read_bytes.
std::vector<FileSum> sum_files(const std::filesystem::path& folder);
// What is wrong with the first file that is missing or not the one that was summed up, with its
// path; empty: nothing. Other files may be there. Throws UnreadableFile.
std::string find_damage(const std::filesystem::path& folder, const std::vector<FileSum>& sums);

}  // namespace lait
