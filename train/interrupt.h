// SIGINT, SIGTERM and SIGHUP (a lost connection; not under nohup): the first asks the run to finish its step, save and end; a second ends the program at once, and
// what was not saved is lost.
#pragma once

namespace lait {

// Installs the handlers (once a process).
void catch_signals();
// The signal that asked to stop, or 0.
int stop_signal();

}  // namespace lait
