#include "eval/text_lines.h"

#include <unistd.h>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"

namespace lait {

std::optional<TextLine> TextLines::next() {
  while (auto line = lines_.next()) {
    if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
    auto json = Record::Json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (json.is_string()) return TextLine{json.get<std::string>(), nullptr, lines_.line_number()};
    if (json.is_object()) {
      const auto text = json.find("text"), id = json.find("id");
      if (text != json.end() && text->is_string()) {
        return TextLine{text->get<std::string>(),
                        id == json.end() ? Record::Json(nullptr) : std::move(*id),
                        lines_.line_number()};
      }
    }
    throw UserError(lines_.where() + ": expected {\"text\": \"…\"} or a JSON string, got " +
                    shown(*line));
  }
  return std::nullopt;
}

TextLines open_texts(const std::string& file) {
  return TextLines(file == "-" ? LineReader(STDIN_FILENO, "standard input") : LineReader(file));
}

}  // namespace lait
