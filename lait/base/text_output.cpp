#include "lait/base/text_output.h"

#include <cstdio>

namespace lait {

TextOutput::TextOutput(const std::string& path) {
  if (!path.empty()) file_.emplace(path);
}

void TextOutput::write(std::string_view text) {
  if (file_) return file_->write(text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw_write_error("standard output");
}

void TextOutput::finish() {
  if (file_) file_->commit();
}

}  // namespace lait
