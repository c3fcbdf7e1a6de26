// SIGINT and SIGTERM of programs that have nothing to save: end at once with 130 or 143, and leave no half file.
#pragma once
#include <filesystem>

namespace lait {

// Installs the handlers; `unfinished`, where not empty, is removed when one comes. Call again with "" when it is finished.
void exit_on_signals(const std::filesystem::path& unfinished = {});

}  // namespace lait
