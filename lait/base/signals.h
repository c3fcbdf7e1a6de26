// Signals: SIGINT, SIGTERM and SIGHUP of programs that save before they end, and of those that have nothing to save.
#pragma once

namespace lait {

// For a program that saves: the first signal asks it to finish its step, save and end (stop_signal); a second one ends
// it at once, and what was not saved is lost. SIGHUP, a lost connection, counts unless nohup has it ignored.
void catch_signals();
// The signal that asked to stop, or 0.
int stop_signal();

// A reader of standard output that went away (`| head`) is no error: the program ends at once, with 0.
void exit_at_closed_pipe();

// For a program with nothing to save: SIGINT and SIGTERM remove the temporary files of all FileWriters and end it at
// once with 130 or 143.
void exit_on_signals();

}  // namespace lait
