// The fields of a JSON body. What is missing or of another type is an HttpError 422 that names the
// field: "query: expected a text, got 3".
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lait/data/records.h"

namespace lait {

using Json = Record::Json;

// Throws HttpError 400 with the place, for what is no JSON or no UTF-8, and 422 for JSON that is no
// object.
Json read_body(std::string_view body);

// "where: expected …, got …".
[[noreturn]] void wrong_field(const std::string& where, const std::string& expected,
                              const Json* got);

// Null: there is no such field, or it is null.
const Json* find_field(const Json& object, const char* name);
const std::string& text_field(const Json& object, const char* name);
std::optional<bool> flag_field(const Json& object, const char* name);
// At least 1.
std::optional<int64_t> count_field(const Json& object, const char* name);
// At least one element, at most `most` (413).
const Json& list_field(const Json& object, const char* name, int64_t most);
const std::string& text_of(const Json& value, const std::string& where);

}  // namespace lait
