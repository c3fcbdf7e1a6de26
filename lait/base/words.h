// Small things done with words.
#pragma once
#include <string>
#include <vector>

namespace lait {

// ASCII letters only.
inline std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

inline std::string joined(const std::vector<std::string>& words, const char* between = ", ") {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "" : between) + words[i];
  return out;
}

}  // namespace lait
