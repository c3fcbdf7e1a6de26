// The key that requests must bring: "Authorization: Bearer KEY".
#pragma once
#include <string_view>

#include "eval/serve/http.h"

namespace lait {

// Takes the same time wherever two texts of one length differ, so that a key cannot be guessed
// letter by letter.
inline bool same_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    volatile const unsigned char x = static_cast<unsigned char>(a[i]);
    difference = static_cast<unsigned char>(difference | (x ^ static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

// Whether the header has the key; the scheme may be written "bearer". "": no key is needed.
inline bool is_allowed(std::string_view authorization, std::string_view key) {
  constexpr std::string_view kScheme = "Bearer ";
  if (key.empty()) return true;
  return same_word(authorization.substr(0, kScheme.size()), kScheme) &&
         same_secret(authorization.substr(kScheme.size()), key);
}

}  // namespace lait
