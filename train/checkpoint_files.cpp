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

// A disk that fails gives an error here; through a memory map it would end the program.
FileSum sum_file(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  const auto fail = [&] {
    throw UserError(fmt::format("{}: cannot read: {}", path.string(), std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) fail();
  FileSum sum{.name = name};
  std::vector<char> block(kBlock);
  uLong crc = add(0, nullptr, 0);
  while (const size_t got = std::fread(block.data(), 1, block.size(), file.get())) {
    crc = add(crc, block.data(), got);
    sum.bytes += got;
  }
  if (std::ferror(file.get()) != 0) fail();
  sum.crc32 = static_cast<uint32_t>(crc);
  return sum;
}

}  // namespace

uint32_t crc32_of(std::string_view text) {
  return static_cast<uint32_t>(add(add(0, nullptr, 0), text.data(), text.size()));
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

void check_files(const fs::path& folder, const std::vector<FileSum>& sums) {
  for (const FileSum& expected : sums) {
    const FileSum got = sum_file(folder, expected.name);
    const std::string path = (folder / expected.name).string();
    if (got.bytes != expected.bytes) {
      throw UserError(
          fmt::format("{}: expected {} bytes, got {}", path, expected.bytes, got.bytes));
    }
    if (got.crc32 != expected.crc32) {
      throw UserError(fmt::format("{}: expected the checksum {:08x}, got {:08x}", path,
                                  expected.crc32, got.crc32));
    }
  }
}

}  // namespace lait
