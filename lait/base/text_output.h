// What a program writes for its user: to standard output, or to a file that gets its name when it
// is complete.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "lait/base/file_writer.h"

namespace lait {

class TextOutput {
 public:
  // "": standard output. Throws WriteError as FileWriter does.
  explicit TextOutput(const std::string& path);
  // What is written to standard output is there for its reader at once. Throws WriteError.
  void write(std::string_view text);
  void finish();

 private:
  std::optional<FileWriter> file_;
};

}  // namespace lait
