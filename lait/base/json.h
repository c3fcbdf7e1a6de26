// JSON from untrusted input: parsed with limits on size and depth. No key may appear twice in an
// object. Error messages are one short line whatever the file contains.
#pragma once
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lait/base/error.h"
#include "lait/base/files.h"

namespace lait {

inline constexpr int kMaxJsonDepth = 64;
// JSON takes up to 16 times its size when parsed.
inline constexpr size_t kMaxJsonBytes = size_t{32} << 20;

// Text of a file for an error message: quoted, at most about 80 bytes, control characters and
// invalid UTF-8 escaped.
inline std::string quote(std::string_view text) {
  constexpr size_t kMaxShown = 80;
  const bool cut = text.size() > kMaxShown;
  std::string shown = nlohmann::json(text.substr(0, kMaxShown))
                          .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  for (size_t i = 0; (i = shown.find('\x7F', i)) != shown.npos;)
    shown.replace(i, 1, "\\u007f");  // dump does not escape DEL
  shown.front() = shown.back() = '\'';
  return cut ? shown.insert(shown.size() - 1, "...") : shown;
}

// What is wrong with a JSON text: "expected …, got …", without the place.
struct BadJson : std::runtime_error {
  explicit BadJson(const std::string& what, size_t byte = 0, bool invalid_utf8 = false)
      : std::runtime_error(what), byte(byte), invalid_utf8(invalid_utf8) {}
  size_t byte;  // from 1, where the text stops being JSON; 0: it is JSON, but beyond our limits
  bool invalid_utf8;
};

// Json is nlohmann::json, or ordered_json to keep the order of the keys. `keep` is called with each
// object that is complete, and its depth; what it returns false for takes no more memory. An object
// has at most `max_keys`: ordered_json looks through all keys at each one. Throws BadJson.
template <class Json = nlohmann::json, class Keep>
Json parse_json_text(std::string_view text, const Keep& keep, size_t max_keys = SIZE_MAX) {
  using Event = typename Json::parse_event_t;
  // The parser would take a NUL for the end of the text and ignore the rest.
  if (const auto nul = text.find('\0'); nul != text.npos) {
    throw BadJson("expected JSON, got a NUL byte at byte " + std::to_string(nul + 1));
  }
  std::vector<std::set<std::string>> open_objects;
  auto check = [&](int depth, Event event, Json& value) {
    if (depth > kMaxJsonDepth) {
      throw BadJson("expected JSON of at most " + std::to_string(kMaxJsonDepth) +
                    " levels, got more");
    }
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key &&
        !open_objects.back().insert(value.template get<std::string>()).second) {
      throw BadJson("expected each key once, got " + quote(value.template get<std::string>()) +
                    " twice");
    }
    if (event == Event::key && open_objects.back().size() > max_keys) {
      throw BadJson("expected at most " + std::to_string(max_keys) +
                    " keys in an object, got more");
    }
    return event != Event::object_end || keep(depth, value);
  };
  try {
    return Json::parse(text, check);
  } catch (const typename Json::parse_error& error) {
    const bool invalid_utf8 =
        std::string_view(error.what()).find("UTF-8") != std::string_view::npos;
    throw BadJson("expected JSON, got something else at byte " + std::to_string(error.byte),
                  error.byte, invalid_utf8);
  } catch (const typename Json::out_of_range&) {
    throw BadJson("expected JSON, got a number that is too large");
  }
}

template <class Json = nlohmann::json>
Json parse_json_text(std::string_view text) {
  return parse_json_text<Json>(text, [](int, const Json&) { return true; });
}

// The same, but throws UserError "where: …".
template <class Json = nlohmann::json>
Json parse_json(std::string_view text, const std::string& where) {
  try {
    return parse_json_text<Json>(text);
  } catch (const BadJson& error) {
    throw UserError(where + ": " + error.what());
  }
}

template <class Json = nlohmann::json>
Json read_json(const std::filesystem::path& path) {
  return parse_json<Json>(read_file(path, kMaxJsonBytes), path.string());
}

}  // namespace lait
