#include "eval/gnuplot.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "lait/base/files.h"

extern char** environ;

namespace lait {
namespace {

// A file in memory, so that a full disk cannot truncate what gnuplot reads and writes. Throws
// std::runtime_error if it cannot be made (the limit on file sizes applies to it, too).
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content = "")
      : fd_(memfd_create("lait-plot", MFD_CLOEXEC)) {
    if (fd_ < 0 ||
        ::pwrite(fd_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
      throw std::runtime_error(fmt::format("no memory for the plot: {}", std::strerror(errno)));
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  int fd() const { return fd_; }
  std::string content() const { return read_file(fmt::format("/proc/self/fd/{}", fd_)); }

 private:
  int fd_;
};

Plot draw(const std::string& script) {
  const MemoryFile input(script), output, messages;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages.fd(), STDERR_FILENO);
  std::string program = "gnuplot", from_standard_input = "-";
  char* argv[] = {program.data(), from_standard_input.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, "gnuplot", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return {.svg = "",
            .problem = error == ENOENT
                           ? "gnuplot is not installed; install it (Debian: apt-get install "
                             "gnuplot-nox)"
                           : fmt::format("gnuplot could not be started: {}", std::strerror(error))};
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return {.svg = "", .problem = "gnuplot failed: " + messages.content()};
  std::string svg = output.content();
  if (svg.find("</svg>") == std::string::npos)
    return {.svg = "", .problem = "gnuplot's picture was cut short: " + messages.content()};
  return {.svg = std::move(svg), .problem = ""};
}

}  // namespace

std::string gnuplot_text(const std::string& text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c == '\n' ? ' ' : c);
  return out + "'";
}

Plot run_gnuplot(const std::string& script) {
  try {
    return draw(script);
  } catch (const std::runtime_error& error) {
    return {.svg = "", .problem = error.what()};
  }
}

}  // namespace lait
