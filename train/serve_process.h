// lait-serve, started by a benchmark.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "train/peer_process.h"

namespace lait {

class ServeProcess {
 public:
  // The program with those arguments, on a free port. Returns when it listens. Throws UserError if
  // it does not.
  ServeProcess(const std::string& program, std::vector<std::string> arguments);
  ~ServeProcess();

  uint16_t port() const { return port_; }
  // What it has in RAM, mapped files included; 0: unknown.
  int64_t rss_bytes() const;
  // By SIGTERM. Throws std::logic_error unless it ended as it should.
  void stop();

 private:
  PeerProcess process_;
  uint16_t port_ = 0;
  bool is_stopped_ = false;
};

}  // namespace lait
