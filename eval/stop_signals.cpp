#include "eval/stop_signals.h"

#include <unistd.h>

#include <csignal>

#include "lait/file_writer.h"

namespace lait {
namespace {

void stop(int signal) {
  remove_unfinished_files();
  _exit(128 + signal);
}

}  // namespace

void exit_on_signals() {
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
}

}  // namespace lait
