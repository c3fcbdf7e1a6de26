// The files of a checkpoint with their sizes and checksums, as its state.json lists them. Damage is
// found before anything of the checkpoint is used.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lait {

struct FileSum {
  std::string name;  // its path in the folder
  uint64_t bytes = 0;
  uint32_t crc32 = 0;  // as zlib, gzip and PNG compute it
};

uint32_t crc32_of(std::string_view text);
// Of all files in the folder and below it, sorted by name. Reads them. Throws UserError if one
// cannot be read.
std::vector<FileSum> sum_files(const std::filesystem::path& folder);
// Throws UserError that names the first file that is missing, unreadable, or not the one that was
// summed up. Other files may be there.
void check_files(const std::filesystem::path& folder, const std::vector<FileSum>& sums);

}  // namespace lait
