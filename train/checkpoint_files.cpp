#include "train/checkpoint_files.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "lait/base/error.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr size_t kBlock = size_t{1} << 20;  // read at once

uLong add(uLong crc, const void* data, size_t bytes) {
  return crc32_z(crc, static_cast<const Bytef*>(data), bytes);
}

// Calls block(bytes) for all of a file, in order. A disk that fails gives an error here; through a
// memory map it would end the program.
template <class Block>
void read_blocks(const fs::path& path, const Block& block_read) {
  const auto fail = [&] {
    const int error = errno;
    const std::string text =
        fmt::format("{}: cannot read: {}", path.string(), std::strerror(error));
    if (error == ENOENT || error == ENOTDIR || error == EISDIR) throw UserError(text);
    throw UnreadableFile(text +
                         "; it may be whole: give yourself the permission to read it, or check the "
                         "disk, and try again");
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) fail();
  std::vector<char> block(kBlock);
  while (const size_t got = std::fread(block.data(), 1, block.size(), file.get()))
    block_read(std::string_view(block.data(), got));
  if (std::ferror(file.get()) != 0) fail();
}

FileSum sum_file(const fs::path& folder, const std::string& name) {
  FileSum sum{.name = name};
  uLong crc = add(0, nullptr, 0);
  read_blocks(folder / name, [&](std::string_view block) {
    crc = add(crc, block.data(), block.size());
    sum.bytes += block.size();
  });
  sum.crc32 = static_cast<uint32_t>(crc);
  return sum;
}

}  // namespace

uint32_t crc32_of(std::string_view text) {
  return static_cast<uint32_t>(add(add(0, nullptr, 0), text.data(), text.size()));
}

std::string read_bytes(const fs::path& file) {
  std::string bytes;
  read_blocks(file, [&](std::string_view block) { bytes += block; });
  return bytes;
}

std::vector<FileSum> sum_files(const fs::path& folder) {
  std::vector<FileSum> sums;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      sums.push_back(sum_file(folder, fs::relative(entry.path(), folder).string()));
  }
  std::ranges::sort(sums, {}, &FileSum::name);
  return sums;
}

std::string find_damage(const fs::path& folder, const std::vector<FileSum>& sums) {
  for (const FileSum& expected : sums) {
    FileSum got;
    try {
      got = sum_file(folder, expected.name);
    } catch (const UnreadableFile&) {
      throw;
    } catch (const UserError& missing) {
      return missing.what();
    }
    const std::string path = (folder / expected.name).string();
    if (got.bytes != expected.bytes)
      return fmt::format("{}: expected {} bytes, got {}", path, expected.bytes, got.bytes);
    if (got.crc32 != expected.crc32) {
      return fmt::format("{}: expected the checksum {:08x}, got {:08x}", path, expected.crc32,
                         got.crc32);
    }
  }
  return "";
}

}  // namespace lait
