// A value from the command line that takes the place of a config's.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lait {

// "key=value", where the value is what the shell gave: " #", ": ", blanks and quotes belong to it.
// Only brackets at both of its ends make it a list or a mapping, written as in YAML, and not where
// the key takes a text. An empty value stands for the default.
struct Override {
  Override(std::string key_value) : text(std::move(key_value)) {}  // NOLINT: implicit
  Override(const char* key_value) : text(key_value) {}             // NOLINT: implicit
  Override(std::string key_value, std::string given_with)
      : text(std::move(key_value)), option(std::move(given_with)) {}

  std::string text;
  std::string option = "--set";  // that it was given with, for messages
};

inline std::vector<Override> to_overrides(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace lait
