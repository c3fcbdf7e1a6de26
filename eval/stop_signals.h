// SIGINT and SIGTERM of programs that have nothing to save: end at once with 130 or 143, and leave no half file.
#pragma once

namespace lait {

// Installs the handlers, which remove the temporary files of all FileWriters.
void exit_on_signals();

}  // namespace lait
