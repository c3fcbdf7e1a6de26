#include "train/peer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lait/base/error.h"
#include "lait/base/files.h"

extern char** environ;

namespace lait {

PeerProcess::PeerProcess(const std::vector<std::string>& words, Reads reads)
    : name_(words.front()) {
  int to[2], from[2];
  if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0)
    throw UserError(name_ + ": no pipe: " + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1],
                                   reads == Reads::kOutput ? STDOUT_FILENO : STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int error =
      ::posix_spawnp(&pid_, name_.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  to_ = to[1];
  from_ = from[0];
  if (error == 0) return;
  ::close(to_);
  ::close(from_);
  throw UserError(name_ + ": cannot start: " + std::strerror(error) + "; check the path");
}

PeerProcess::~PeerProcess() {
  ::close(to_);
  ::close(from_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

int PeerProcess::stop(int signal) {
  ::kill(pid_, signal);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void PeerProcess::write_line(const std::string& line) {
  const std::string bytes = line + "\n";
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t wrote = ::write(to_, bytes.data() + sent, bytes.size() - sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw UserError(name_ + ": it ended; its messages are above");
    sent += static_cast<size_t>(wrote);
  }
}

std::string PeerProcess::read_line() {
  for (;;) {
    if (const size_t end = unread_.find('\n'); end != unread_.npos) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    char buffer[4096];
    const ssize_t got = ::read(from_, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw UserError(name_ + ": it ended; its messages are above");
    unread_.append(buffer, static_cast<size_t>(got));
  }
}

PeerScript::PeerScript(const std::string& python, const std::string& name, std::string_view script,
                       const std::vector<std::string>& arguments, const std::string& settings) {
  const std::filesystem::path file = folder_.path / "settings.json";
  write_file(file, settings);
  write_file(folder_.path / name, script);
  std::vector<std::string> words{python, (folder_.path / name).string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back(file.string());
  process_.emplace(words);
}

}  // namespace lait
