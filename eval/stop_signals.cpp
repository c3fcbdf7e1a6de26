#include "eval/stop_signals.h"

#include <unistd.h>

#include <csignal>
#include <cstring>
#include <stdexcept>

namespace lait {
namespace {

constexpr size_t kMaxPath = 4096;
char unfinished_path[kMaxPath] = "";  // what a handler may read

void stop(int signal) {
  if (unfinished_path[0] != '\0') unlink(unfinished_path);
  _exit(128 + signal);
}

}  // namespace

void exit_on_signals(const std::filesystem::path& unfinished) {
  const std::string path = unfinished.empty() ? "" : std::filesystem::absolute(unfinished).string();
  if (path.size() >= kMaxPath) throw std::runtime_error(path + ": the path is too long");
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  std::memcpy(unfinished_path, path.c_str(), path.size() + 1);
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
}

}  // namespace lait
