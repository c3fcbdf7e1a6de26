// A program that answers lines: started, asked and read through pipes.
#pragma once
#include <string>
#include <vector>

namespace lait {

class PeerProcess {
 public:
  // Starts words[0] with the others as arguments. Throws UserError if it cannot be started.
  explicit PeerProcess(const std::vector<std::string>& words);
  // Closes its input and waits for its end.
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  void write_line(const std::string& line);
  // The next line of its output. Throws UserError if it ended.
  std::string read_line();

 private:
  std::string name_;
  int pid_ = -1, to_ = -1, from_ = -1;
  std::string unread_;
};

}  // namespace lait
