// A command line run as a user types it: its exit code and what it printed. Only tests see this.
#pragma once
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "lait/base/files.h"

namespace lait {

struct ShellResult {
  int code;  // -1: ended by a signal
  std::string out, err;
};

// Keeps the output in files in `folder` while it runs.
inline ShellResult shell(const std::string& command, const std::filesystem::path& folder) {
  const std::filesystem::path out = folder / "stdout", err = folder / "stderr";
  const int status = std::system(
      ("{ " + command + "; } >'" + out.string() + "' 2>'" + err.string() + "'").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(out), read_file(err)};
}

}  // namespace lait
