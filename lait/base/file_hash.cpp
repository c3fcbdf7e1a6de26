#include "lait/base/file_hash.h"

#include <algorithm>
#include <fstream>
#include <vector>

namespace lait {
namespace fs = std::filesystem;

bool add_file(ContentHash& hash, const fs::path& file) {
  constexpr size_t kBuffer = size_t{1} << 20;
  std::error_code error;
  if (fs::is_directory(file, error)) {
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(file)) inside.push_back(entry.path());
    std::ranges::sort(inside);
    return std::ranges::all_of(inside, [&](const fs::path& path) {
      hash.add_text(path.filename().string());
      return fs::is_directory(path) || add_file(hash, path);
    });
  }
  if (!fs::is_regular_file(file, error)) return false;
  std::ifstream in(file, std::ios::binary);
  std::vector<char> buffer(kBuffer);
  ContentHash content;
  while (in.read(buffer.data(), kBuffer), in.gcount() > 0)
    content.add(buffer.data(), static_cast<size_t>(in.gcount()));
  const Digest digest = content.digest();
  hash.add(&digest, sizeof(digest));
  return in.eof();
}

}  // namespace lait
