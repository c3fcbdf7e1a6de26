#include "lait/data/text_table.h"

#include <utility>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"

namespace lait {

void TextTable::add(const std::string& id, std::vector<std::string> sentences,
                    const std::string& where) {
  if (texts_.try_emplace(id, std::move(sentences)).second) return;
  throw UserError(where + ": expected each id once, got " + shown(id) + " twice");
}

const std::vector<std::string>* TextTable::find(const std::string& id) const {
  const auto found = texts_.find(id);
  return found == texts_.end() ? nullptr : &found->second;
}

std::string joined_text(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    text += (text.empty() ? "" : " ") + part;
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace lait
