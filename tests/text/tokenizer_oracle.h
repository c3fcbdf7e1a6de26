// What tests/oracles/tokenizer_parity.py wrote: runs it where its output is missing or older than the script, or was made
// from other data, and reads its records. Only tests see this.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lait/files.h"

namespace lait::tokenizer_oracle {

namespace fs = std::filesystem;

inline const fs::path kScript =
    fs::path(LAIT_SOURCE_DIR) / "tests" / "oracles" / "tokenizer_parity.py";
inline const fs::path kMiniLm = fs::path(LAIT_BUILD_DIR) / "models" / "all-MiniLM-L6-v2";

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

inline fs::path python() {
  const std::string set = environment("LAIT_TEST_PYTHON");
  return set.empty() ? fs::path(LAIT_BUILD_DIR) / "test-venv" / "bin" / "python" : fs::path(set);
}

// Why the oracle cannot run here; empty: it can.
inline std::string missing() {
  if (!fs::exists(python())) {
    return "no Python at " + python().string() +
           "; `make test` makes it, or set LAIT_TEST_PYTHON to one with "
           "transformers and tokenizers";
  }
  if (!fs::exists(kMiniLm / "tokenizer.json"))
    return "no model at " + kMiniLm.string() + "; `make` fetches it";
  return "";
}

#define LAIT_SKIP_WITHOUT_TOKENIZER_ORACLE()                                       \
  if (const std::string why = ::lait::tokenizer_oracle::missing(); !why.empty()) { \
    GTEST_SKIP() << why;                                                           \
  }

// The oracle's folder, made anew where it is stale. Test processes take turns.
inline fs::path folder() {
  const fs::path dir = fs::path(LAIT_BUILD_DIR) / "oracles" / "tokenizer", done = dir / "done";
  fs::create_directories(dir);
  const int lock = ::open((dir / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock < 0 || ::flock(lock, LOCK_EX) != 0)
    throw std::runtime_error("cannot lock " + dir.string());
  const std::string data = environment("LAIT_TEST_DATA");
  const std::string made_from = data.empty() ? "" : fs::canonical(data).string();
  if (!fs::exists(done) || fs::last_write_time(done) < fs::last_write_time(kScript) ||
      read_file(done) != made_from) {
    fs::remove(done);
    const fs::path log = dir / "log.txt";
    std::string command = "HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error PYTHONDONTWRITEBYTECODE=1";
    for (const std::string& argument :
         {python().string(), kScript.string(), kMiniLm.string(), dir.string(), made_from}) {
      if (!argument.empty()) command += " '" + argument + "'";
    }
    command += " > '" + log.string() + "' 2>&1";
    if (std::system(command.c_str()) != 0) {
      ::close(lock);
      throw std::runtime_error(command + " failed:\n" + read_file(log));
    }
  }
  ::close(lock);
  return dir;
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
  std::vector<int32_t> ids(size_t i) const {
    std::vector<uint16_t> read(records_[i].size() / sizeof(uint16_t));
    if (!read.empty()) std::memcpy(read.data(), records_[i].data(), records_[i].size());
    return {read.begin(), read.end()};
  }

 private:
  std::string bytes_;
  std::vector<std::string_view> records_;
};

}  // namespace lait::tokenizer_oracle
