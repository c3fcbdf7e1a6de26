// The Python side of the oracles: finds the test environment's interpreter and runs scripts with
// it. Only tests see this.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "lait/base/files.h"

namespace lait::oracle {

namespace fs = std::filesystem;

inline const fs::path kScripts = fs::path(LAIT_SOURCE_DIR) / "tests" / "oracles";
inline const fs::path kMiniLm = fs::path(LAIT_BUILD_DIR) / "models" / "all-MiniLM-L6-v2";

inline fs::path python() {
  if (const char* set = std::getenv("LAIT_TEST_PYTHON")) return set;
  return fs::path(LAIT_BUILD_DIR) / "test-venv" / "bin" / "python";
}

// One with transformers 4, which has the slow T5Tokenizer, SQuAD's metrics and the pipeline that
// answers questions (tests/requirements-transformers4.txt).
inline fs::path transformers4_python() {
  if (const char* set = std::getenv("LAIT_TEST_TRANSFORMERS4_PYTHON")) return set;
  return fs::path(LAIT_BUILD_DIR) / "transformers4-venv" / "bin" / "python";
}

// Why the oracles cannot run here; empty if they can.
inline std::string missing() {
  if (!fs::exists(python())) {
    return "no Python at " + python().string() +
           "; `make test` makes it, or set LAIT_TEST_PYTHON to one with transformers";
  }
  if (!fs::exists(kMiniLm / "model.safetensors"))
    return "no model at " + kMiniLm.string() + "; `make` fetches it";
  return "";
}

#define LAIT_SKIP_WITHOUT_TRANSFORMERS4()                                     \
  if (!std::filesystem::exists(::lait::oracle::transformers4_python())) {     \
    GTEST_SKIP() << "no Python at " << ::lait::oracle::transformers4_python() \
                 << "; `make test` makes it, or set "                         \
                    "LAIT_TEST_TRANSFORMERS4_PYTHON to one with them";        \
  }

#define LAIT_SKIP_WITHOUT_ORACLE()                                       \
  if (const std::string why = ::lait::oracle::missing(); !why.empty()) { \
    GTEST_SKIP() << why;                                                 \
  }

// If this process runs under AddressSanitizer: the prefix of a shell command whose Python loads our
// libraries. Their runtime must be loaded first, and after it C++'s, whose exceptions it watches;
// Python's own leaks are ignored. Otherwise empty.
inline std::string sanitizer() {
  auto loaded = [](const std::string& name) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find(name) != std::string::npos) return line.substr(line.find('/'));
    }
    return std::string();
  };
  const std::string runtime = loaded("/libasan.so");
  if (runtime.empty()) return "";
  return "ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD='" + runtime + ":" + loaded("/libstdc++.so") +
         "' ";
}

// Runs a script quietly, with `prefix` before it (sanitizer(), if it loads our libraries); throws
// with its output.
inline void run(const std::string& script, const std::string& arguments, const fs::path& log,
                const std::string& prefix = "", const fs::path& with = python()) {
  // Idle threads that spin make PyTorch many times slower beside other tests.
  const std::string command = prefix +
                              "OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 "
                              "HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "
                              "HF_HUB_DISABLE_PROGRESS_BARS=1 PYTHONDONTWRITEBYTECODE=1 '" +
                              with.string() + "' '" + (kScripts / script).string() + "' " +
                              arguments + " > '" + log.string() + "' 2>&1";
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error(command + " failed:\n" + read_file(log));
}

// The folder of an oracle's output, locked by one process at a time.
class OutputFolder {
 public:
  explicit OutputFolder(const std::string& name)
      : path(fs::path(LAIT_BUILD_DIR) / "oracles" / name) {
    fs::create_directories(path);
    lock_ = ::open((path / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (lock_ < 0 || ::flock(lock_, LOCK_EX) != 0)
      throw std::runtime_error("cannot lock " + path.string());
  }
  ~OutputFolder() { ::close(lock_); }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const fs::path path;

 private:
  int lock_ = -1;
};

// A path quoted for the shell; paths have no quotes here.
inline std::string in_quotes(const fs::path& path) {
  std::string out = "'";  // "'" + … : GCC 12 warns wrongly of a copy that is too long
  return out.append(path.string()).append("'");
}

}  // namespace lait::oracle
