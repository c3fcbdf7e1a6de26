#include "train/serve_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "lait/base/error.h"

namespace lait {
namespace {

std::vector<std::string> words_of(const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program);
  arguments.insert(arguments.end(), {"--port", "0"});
  return arguments;
}

}  // namespace

ServeProcess::ServeProcess(const std::string& program, std::vector<std::string> arguments)
    : process_(words_of(program, std::move(arguments)), PeerProcess::Reads::kMessages) {
  const std::string kListening = "listening on http://127.0.0.1:";
  std::string said;
  try {
    for (;;) {
      const std::string line = process_.read_line();
      if (const size_t at = line.find(kListening); at != line.npos) {
        port_ = static_cast<uint16_t>(std::stoi(line.substr(at + kListening.size())));
        return;
      }
      said += line + "\n";
    }
  } catch (const UserError&) {
    throw UserError(program + ": it ended before it listened:\n" + said);
  }
}

ServeProcess::~ServeProcess() {
  if (!is_stopped_) process_.stop(SIGKILL);
}

int64_t ServeProcess::rss_bytes() const {
  std::ifstream file(fmt::format("/proc/{}/statm", process_.pid()));
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

void ServeProcess::stop() {
  is_stopped_ = true;
  const int status = process_.stop(SIGTERM);
  if (status != 128 + SIGTERM) {
    throw std::logic_error(
        fmt::format("lait-serve: expected exit status {}, got {}", 128 + SIGTERM, status));
  }
}

}  // namespace lait
