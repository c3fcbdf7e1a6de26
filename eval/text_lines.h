// Files of single texts: a line each, {"text": "…"} with other fields, or a JSON string.
#pragma once
#include <optional>
#include <string>

#include "lait/base/files.h"
#include "lait/data/records.h"

namespace lait {

struct TextLine {
  std::string text;
  // The field "id"; null: there is none.
  Record::Json id = nullptr;
  int64_t line = 0;  // from 1
};

class TextLines {
 public:
  explicit TextLines(LineReader lines) : lines_(std::move(lines)) {}
  // The next text, or nullopt at the end. Blank lines are left out. Throws UserError "file:line:
  // expected …, got …".
  std::optional<TextLine> next();
  const std::string& name() const { return lines_.name(); }

 private:
  LineReader lines_;
};

// "-" is standard input.
TextLines open_texts(const std::string& file);

}  // namespace lait
