#include "eval/serve/fields.h"

#include "eval/serve/http.h"
#include "lait/base/json.h"
#include "lait/base/shown_text.h"

namespace lait {

namespace {

// Of one object. Json looks through all of them at each one, to keep their order.
constexpr size_t kMaxKeys = 128;

}  // namespace

Json read_body(std::string_view body) {
  Json out;
  try {
    out = parse_json_text<Json>(
        body, [](int, const Json&) { return true; }, kMaxKeys);
  } catch (const BadJson& error) {
    if (error.invalid_utf8) {
      throw HttpError(
          400, "body: expected UTF-8, got other bytes at byte " + std::to_string(error.byte));
    }
    throw HttpError(400, std::string("body: ") + error.what());
  }
  if (!out.is_object()) wrong_field("body", "a JSON object", &out);
  return out;
}

void wrong_field(const std::string& where, const std::string& expected, const Json* got) {
  throw HttpError(422, where + ": expected " + expected + ", got " +
                           (got == nullptr ? "nothing" : shortened(got->dump())));
}

const Json* find_field(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const std::string& text_of(const Json& value, const std::string& where) {
  if (!value.is_string()) wrong_field(where, "a text", &value);
  return value.get_ref<const std::string&>();
}

const std::string& text_field(const Json& object, const char* name) {
  const Json* value = find_field(object, name);
  if (value == nullptr) wrong_field(name, "a text", value);
  return text_of(*value, name);
}

std::optional<bool> flag_field(const Json& object, const char* name) {
  const Json* value = find_field(object, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong_field(name, "true or false", value);
  return value->get<bool>();
}

std::optional<int64_t> count_field(const Json& object, const char* name) {
  const Json* value = find_field(object, name);
  if (value == nullptr) return std::nullopt;
  // A number above 2^63 would become negative.
  if (!value->is_number_integer() || value->get<int64_t>() < 1)
    wrong_field(name, "a whole number from 1", value);
  return value->get<int64_t>();
}

const Json& list_field(const Json& object, const char* name, int64_t most) {
  const Json* value = find_field(object, name);
  if (value == nullptr || !value->is_array()) wrong_field(name, "a list", value);
  if (value->empty()) wrong_field(name, "at least one element", value);
  if (static_cast<int64_t>(value->size()) > most) {
    throw HttpError(413, std::string(name) + ": expected at most " + std::to_string(most) +
                             " elements, got " + std::to_string(value->size()) +
                             "; send several requests");
  }
  return *value;
}

}  // namespace lait
