// The C++ side of the Python oracles: finds the test environment's interpreter, runs a script where what it wrote is
// missing or older than the scripts, and reads its tensors. Only tests see this.
#pragma once
#include <ATen/ATen.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "lait/files.h"

namespace lait::oracle {

namespace fs = std::filesystem;

inline const fs::path kScripts = fs::path(LAIT_SOURCE_DIR) / "tests" / "oracles";
inline const fs::path kMiniLm = fs::path(LAIT_BUILD_DIR) / "models" / "all-MiniLM-L6-v2";

inline fs::path python() {
  if (const char* set = std::getenv("LAIT_TEST_PYTHON")) return set;
  return fs::path(LAIT_BUILD_DIR) / "test-venv" / "bin" / "python";
}

// Why the oracles cannot run here; empty: they can.
inline std::string missing() {
  if (!fs::exists(python())) {
    return "no Python at " + python().string() +
           "; `make test` makes it, or set LAIT_TEST_PYTHON to one with transformers";
  }
  if (!fs::exists(kMiniLm / "model.safetensors"))
    return "no model at " + kMiniLm.string() + "; `make` fetches it";
  return "";
}

#define LAIT_SKIP_WITHOUT_ORACLE()                                       \
  if (const std::string why = ::lait::oracle::missing(); !why.empty()) { \
    GTEST_SKIP() << why;                                                 \
  }

// Where this process runs under AddressSanitizer: what a shell puts before a Python that is to load our libraries (their
// runtime must come first, and C++'s after it, whose exceptions it watches; what Python itself leaks is not ours). Else empty.
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

// Runs a script quietly; throws with what it printed.
inline void run(const std::string& script, const std::string& arguments, const fs::path& log) {
  const std::string command = sanitizer() +
                              "HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "
                              "HF_HUB_DISABLE_PROGRESS_BARS=1 PYTHONDONTWRITEBYTECODE=1 '" +
                              python().string() + "' '" + (kScripts / script).string() + "' " +
                              arguments + " > '" + log.string() + "' 2>&1";
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error(command + " failed:\n" + read_file(log));
}

// The folder of what `kind`_parity.py wrote ("model", "train"), made anew where it is stale. Processes take turns.
inline fs::path outputs(const std::string& kind) {
  const fs::path dir = fs::path(LAIT_BUILD_DIR) / "oracles" / kind, done = dir / "cases.json";
  fs::create_directories(dir);
  const int lock = ::open((dir / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock < 0 || ::flock(lock, LOCK_EX) != 0)
    throw std::runtime_error("cannot lock " + dir.string());
  bool stale = !fs::exists(done);
  for (const auto& entry : fs::directory_iterator(kScripts)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".py") || !(name.starts_with("model_") || name.starts_with(kind))) continue;
    stale = stale || fs::last_write_time(done) < entry.last_write_time();
  }
  if (stale) {
    std::string arguments = "'";  // "'" + … : GCC 12 warns falsely of a copy that is too long
    arguments += kMiniLm.string() + "' '" + dir.string() + "'";
    run(kind + "_parity.py", arguments, dir / "log.txt");
  }
  ::close(lock);
  return dir;
}

inline nlohmann::json read_json(const fs::path& path) {
  return nlohmann::json::parse(read_file(path));
}

// A safetensors file of float and int64 tensors, copied; written apart from the library's reader, which is under test.
inline std::map<std::string, at::Tensor> read_tensors(const fs::path& path) {
  const std::string bytes = read_file(path);
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  const auto header = nlohmann::json::parse(bytes.substr(8, header_size));
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto sizes = entry.at("shape").get<std::vector<int64_t>>();
    at::Tensor tensor = at::empty(sizes, entry.at("dtype") == "F32" ? at::kFloat : at::kLong);
    const auto range = entry.at("data_offsets").get<std::vector<size_t>>();
    if (range[1] - range[0] != tensor.nbytes())
      throw std::runtime_error(path.string() + ": unexpected dtype of " + name);
    std::memcpy(tensor.mutable_data_ptr(), bytes.data() + 8 + header_size + range[0],
                tensor.nbytes());
    out[name] = tensor;
  }
  return out;
}

// The largest absolute difference; NaN and infinity count as far off.
inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes())
    throw std::runtime_error("shapes differ: " + std::to_string(a.numel()) + " and " +
                             std::to_string(b.numel()) + " elements");
  if (a.numel() == 0) return 0;
  if (!at::isfinite(a).all().item<bool>()) return INFINITY;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace lait::oracle
