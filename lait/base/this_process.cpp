#include "lait/base/this_process.h"

#include <unistd.h>

namespace lait {

std::string host_name() {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  return host;
}

std::string this_process() { return "pid " + std::to_string(::getpid()) + " on " + host_name(); }

}  // namespace lait
