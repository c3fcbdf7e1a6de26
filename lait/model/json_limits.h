// JSON from files that strangers wrote: parsed with limits, so that no input makes the parser deep or the error long.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "lait/error.h"

namespace lait {

inline constexpr int kMaxJsonDepth = 64;

// Throws UserError "where: expected JSON, got …". Duplicate keys of the outermost object are refused where `unique_keys`.
inline nlohmann::json parse_json(std::string_view text, const std::string& where, bool unique_keys = false) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {  // the parser recurses when it frees: refuse deep nesting first
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxJsonDepth) {
      throw UserError(where + ": expected JSON of at most " + std::to_string(kMaxJsonDepth) + " levels, got more");
    }
  }
  std::string duplicate;
  std::vector<std::string> keys;
  auto callback = [&](int level, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (event == nlohmann::json::parse_event_t::key && level == 1) keys.push_back(parsed.get<std::string>());
    return true;
  };
  try {
    auto json = unique_keys ? nlohmann::json::parse(text, callback) : nlohmann::json::parse(text);
    std::ranges::sort(keys);
    if (const auto twice = std::ranges::adjacent_find(keys); twice != keys.end()) {
      throw UserError(where + ": the name '" + *twice + "' stands twice; the file is damaged, fetch it again");
    }
    return json;
  } catch (const nlohmann::json::parse_error& error) {
    throw UserError(where + ": expected JSON, got something else at byte " + std::to_string(error.byte));
  }
}

}  // namespace lait
