// lait-serve as a process. Only tests see this.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/eval/programs.h"
#include "tests/serve/raw_client.h"

namespace lait {

struct ProcessSettings {
  const char* api_key = nullptr;
  rlim_t most_file_bytes = RLIM_INFINITY;
};

// The program on a port that the system chose, until the object's end.
class Process {
 public:
  Process(const std::filesystem::path& folder, std::vector<std::string> arguments,
          const ProcessSettings& settings = {})
      : log_(folder / "serve.log") {
    arguments.insert(arguments.begin(), LAIT_BUILD_DIR "/bin/lait-serve");
    for (const char* more : {"--port", "0", "--precision", "fp32"}) arguments.emplace_back(more);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int log = open(log_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(log, STDERR_FILENO);
      if (settings.api_key != nullptr) setenv("LAIT_API_KEY", settings.api_key, 1);
      const rlimit file_bytes{settings.most_file_bytes, settings.most_file_bytes};
      setrlimit(RLIMIT_FSIZE, &file_bytes);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(log);
    port_ = wait_for_port();
  }
  ~Process() {
    if (pid_ > 0) stop(SIGKILL);
  }

  // The exit code; -1: ended by a signal.
  int stop(int signal) {
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int port() const { return port_; }
  std::string log() const { return read_file(log_); }
  RawClient client() const { return RawClient(port_); }
  Reply get(const std::string& path, const std::string& more = "") const {
    return client().ask("GET", path, "", more);
  }
  // Its answer.
  nlohmann::json post(const std::string& path, const nlohmann::json& body) const {
    const Reply reply = client().ask("POST", path, body.dump());
    EXPECT_EQ(reply.status, 200) << reply.body;
    return nlohmann::json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  }

 private:
  int wait_for_port() const {
    const std::string url = "listening on http://127.0.0.1:";
    for (int i = 0; i < 6000; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(10))) {
      const std::string text = log();
      const size_t at = text.find(url);
      if (at != std::string::npos && text.back() == '\n')
        return std::stoi(text.substr(at + url.size()));
      if (waitpid(pid_, nullptr, WNOHANG) != 0) break;
    }
    ADD_FAILURE() << "it does not listen: " << log();
    return 0;
  }

  std::filesystem::path log_;
  pid_t pid_ = 0;
  int port_ = 0;
};

class Serve : public Programs {
 protected:
  std::string checkpoint() {
    return write_checkpoint(folder_ / "c", {.independent_layers = 2, .head = HeadKind::kRelevance})
        .string();
  }
};

}  // namespace lait
