#include "train/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace lait {
namespace {

std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free,
              "a signal handler may only use lock-free atomics");

void handle(int signal) {
  if (g_signal.exchange(signal) != 0) _exit(128 + signal);
}

}  // namespace

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before = {};
  sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup ignores it
}

int stop_signal() { return g_signal.load(); }

}  // namespace lait
