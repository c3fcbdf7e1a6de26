// Signal handling for programs that save before they exit, and for those that have nothing to save.
#pragma once

namespace lait {

// For a program that saves. The first SIGINT, SIGTERM or SIGHUP asks it to finish its step, save
// and exit (see stop_signal). A second one exits at once without saving. SIGHUP is left alone if
// nohup ignores it.
void catch_signals();
// The first signal received, or 0.
int stop_signal();

// When a reader of standard output goes away (`| head`), that is no error: exits at once with 0.
void exit_at_closed_pipe();

// For a program with nothing to save: SIGINT and SIGTERM remove the temporary files of all
// FileWriters and exit at once with 130 or 143.
void exit_on_signals();

}  // namespace lait
