// The output of tests/oracles/tokenizer_parity.py: runs the script where its output is missing,
// older than the script or from other data, and reads its records. Only tests see this.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tests/oracles/python.h"

namespace lait::tokenizer_oracle {

namespace fs = std::filesystem;

inline const fs::path kMpnet = oracle::kMiniLm.parent_path() / "all-mpnet-base-v2";

// The oracle's folder, written again where it is stale. Test processes take turns.
inline fs::path folder() {
  constexpr const char* kScript = "tokenizer_parity.py";
  const oracle::OutputFolder folder("tokenizer");
  const fs::path done = folder.path / "done";
  const char* data = std::getenv("LAIT_TEST_DATA");
  const std::string data_dir = data == nullptr || *data == '\0' ? "" : fs::canonical(data).string();
  const std::string made_from = data_dir + "\n" + (fs::exists(kMpnet) ? kMpnet.string() : "");
  if (!fs::exists(done) ||
      fs::last_write_time(done) < fs::last_write_time(oracle::kScripts / kScript) ||
      read_file(done) != made_from) {
    fs::remove(done);
    oracle::run(kScript,
                oracle::in_quotes(folder.path) + " " + oracle::in_quotes(oracle::kMiniLm) + " " +
                    oracle::in_quotes(kMpnet) + " " +
                    (data_dir.empty() ? "" : oracle::in_quotes(data_dir)),
                folder.path / "log.txt");
  }
  return folder.path;
}

// A file of (uint32 count, count items of item_size bytes)*.
class Records {
 public:
  Records(const fs::path& path, size_t item_size) : bytes_(read_file(path)) {
    for (size_t at = 0; at < bytes_.size();) {
      uint32_t count = 0;
      if (bytes_.size() - at < sizeof(count))
        throw std::runtime_error(path.string() + ": cut short");
      std::memcpy(&count, bytes_.data() + at, sizeof(count));
      at += sizeof(count);
      if (bytes_.size() - at < count * item_size)
        throw std::runtime_error(path.string() + ": cut short");
      records_.emplace_back(bytes_.data() + at, count * item_size);
      at += count * item_size;
    }
  }
  size_t size() const { return records_.size(); }
  std::string_view bytes(size_t i) const { return records_[i]; }
  template <class Item>
  std::vector<Item> items(size_t i) const {
    std::vector<Item> read(records_[i].size() / sizeof(Item));
    if (!read.empty()) std::memcpy(read.data(), records_[i].data(), read.size() * sizeof(Item));
    return read;
  }
  std::vector<int32_t> ids(size_t i) const {
    const std::vector<uint16_t> read = items<uint16_t>(i);
    return {read.begin(), read.end()};
  }

 private:
  std::string bytes_;
  std::vector<std::string_view> records_;
};

}  // namespace lait::tokenizer_oracle
