// Shared by the tests of lait-eval and lait-predict: a temporary folder, and the shell in the
// folder of the programs.
#pragma once
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"
#include "tests/eval/tiny_checkpoint.h"

namespace lait {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Programs : public testing::Test {
 protected:
  // Runs a shell command in the folder of the programs.
  ShellResult run(const std::string& command) {
    return shell("cd '" LAIT_BUILD_DIR "/bin' && { " + command + "; }", folder_.path());
  }
  std::string path(const std::string& name) { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return path(name);
  }
  std::string predict(const std::string& checkpoint, const std::string& input,
                      const std::string& more = "") {
    return "./lait-predict --precision fp32 --checkpoint '" + checkpoint + "' --input '" + input +
           "' " + more;
  }

  TemporaryFolder folder_;
};

}  // namespace lait
