// A program that answers lines: started, asked and read through pipes.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/bench/bench.h"

namespace lait {

class PeerProcess {
 public:
  enum class Reads { kOutput, kMessages };
  // Starts words[0] with the others as arguments, and reads its standard output, or what it writes
  // to standard error. Throws UserError if it cannot be started.
  explicit PeerProcess(const std::vector<std::string>& words, Reads reads = Reads::kOutput);
  // Closes its input and waits for its end.
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  void write_line(const std::string& line);
  // The next line of what is read. Throws UserError if it ended.
  std::string read_line();
  int pid() const { return pid_; }
  // Sends the signal, and waits for its end. Its exit status, as shells say it: 128 + the signal
  // that ended it.
  int stop(int signal);

 private:
  std::string name_;
  int pid_ = -1, to_ = -1, from_ = -1;
  std::string unread_;
};

// A script of ours with its settings in a file, which it gets as its last argument: a PeerProcess
// whose files are removed with it.
class PeerScript {
 public:
  // python SCRIPT arguments… SETTINGS. `name`: of the script's file.
  PeerScript(const std::string& python, const std::string& name, std::string_view script,
             const std::vector<std::string>& arguments, const std::string& settings);

  PeerProcess& process() { return *process_; }

 private:
  BenchFolder folder_{"peer"};
  std::optional<PeerProcess> process_{};  // ends before its folder, which it may still read
};

}  // namespace lait
