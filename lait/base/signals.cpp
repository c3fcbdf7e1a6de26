#include "lait/base/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "lait/base/file_writer.h"

namespace lait {
namespace {

std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free,
              "a signal handler may only use lock-free atomics");

void remember(int signal) {
  if (g_signal.exchange(signal) != 0) _exit(128 + signal);
}

void stop(int signal) {
  remove_unfinished_files();
  _exit(128 + signal);
}

void install(void (*handler)(int), int signal) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void catch_signals() {
  install(remember, SIGINT);
  install(remember, SIGTERM);
  struct sigaction before = {};
  sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) install(remember, SIGHUP);
}

int stop_signal() { return g_signal.load(); }

void exit_at_closed_pipe() {
  install([](int) { _exit(0); }, SIGPIPE);
}

void exit_on_signals() {
  install(stop, SIGINT);
  install(stop, SIGTERM);
}

}  // namespace lait
