// The output of tests/oracles/tokenizer_parity.py and t5_tokenizer.py: runs a script where its
// output is missing, older than the script or from other data, and reads its records. Only tests
// see this.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "lait/text/tokenizer.h"
#include "tests/oracles/python.h"

namespace lait::tokenizer_oracle {

namespace fs = std::filesystem;

inline const fs::path kMpnet = oracle::kMiniLm.parent_path() / "all-mpnet-base-v2";

// LAIT_TEST_DATA, or "".
inline std::string data_folder() {
  const char* data = std::getenv("LAIT_TEST_DATA");
  return data == nullptr || *data == '\0' ? "" : fs::canonical(data).string();
}

// An oracle's folder, written again where it is stale: where `script` is newer, or it was not made
// from `made_from`. Test processes take turns.
inline fs::path up_to_date(const std::string& name, const char* script,
                           const std::string& made_from, const std::string& arguments,
                           const fs::path& with) {
  const oracle::OutputFolder folder(name);
  const fs::path done = folder.path / "done";
  if (!fs::exists(done) ||
      fs::last_write_time(done) < fs::last_write_time(oracle::kScripts / script) ||
      read_file(done) != made_from) {
    fs::remove(done);
    oracle::run(script, oracle::in_quotes(folder.path) + " " + arguments, folder.path / "log.txt",
                "", with);
  }
  return folder.path;
}

inline fs::path folder() {
  const std::string data = data_folder();
  return up_to_date("tokenizer", "tokenizer_parity.py",
                    data + "\n" + (fs::exists(kMpnet) ? kMpnet.string() : ""),
                    oracle::in_quotes(oracle::kMiniLm) + " " + oracle::in_quotes(kMpnet) + " " +
                        (data.empty() ? "" : oracle::in_quotes(data)),
                    oracle::python());
}

// That of T5's tokenizer.
inline fs::path t5_folder() {
  const std::string data = data_folder();
  return up_to_date("t5_tokenizer", "t5_tokenizer.py", data,
                    data.empty() ? "" : oracle::in_quotes(data), oracle::transformers4_python());
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

// The bytes around the place, others than printable ASCII as \xNN.
inline std::string quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, 300)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    }
  }
  return out + (text.size() > 300 ? "…" : "");
}

inline std::string shown(int32_t id) { return std::to_string(id); }
inline std::string shown(const ByteRange& range) {
  std::string out = "[";  // "[" + ... makes GCC 12 warn falsely
  out.append(std::to_string(range.begin)).append(",");
  return out.append(std::to_string(range.end)).append(")");
}

// Some items around the place of the first difference; "" where there is none.
template <class Item>
std::string difference(const std::vector<Item>& got, const std::vector<Item>& expected) {
  if (got == expected) return "";
  const auto at = static_cast<size_t>(
      std::mismatch(got.begin(), got.end(), expected.begin(), expected.end()).first - got.begin());
  const auto window = [&](const std::vector<Item>& items) {
    std::string out;
    for (size_t i = at < 3 ? 0 : at - 3; i < std::min(items.size(), at + 6); ++i)
      out.append(" ").append(shown(items[i]));
    return out;
  };
  return "first difference at token " + std::to_string(at) + ": expected ..." + window(expected) +
         ", got ..." + window(got);
}

}  // namespace lait::tokenizer_oracle
