// Options whose values have names (lait/config/enum_names.h).
#pragma once
#include <stdexcept>
#include <string>
#include <vector>

#include "lait/config/enum_names.h"

namespace lait {

// For CLI::IsMember.
template <class E>
std::vector<std::string> choice_names() {
  std::vector<std::string> out;
  for (const auto& [name, value] : names_of<E>()) out.push_back(name);
  return out;
}

// REQUIRES: the text is one of choice_names().
template <class E>
E choice_of(const std::string& text) {
  for (const auto& [name, value] : names_of<E>()) {
    if (text == name) return value;
  }
  throw std::logic_error("unchecked option value " + text);
}

}  // namespace lait
