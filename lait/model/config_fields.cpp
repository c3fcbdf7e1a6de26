#include "lait/model/config_fields.h"

#include <sstream>

#include "lait/base/error.h"
#include "lait/base/json.h"

namespace lait {

using Json = nlohmann::ordered_json;

void ConfigFields::throw_problems() const {
  if (problems_.empty()) return;
  std::string text = path_.string() + ":";
  for (const std::string& what : problems_) text += (problems_.size() == 1 ? " " : "\n  ") + what;
  throw UserError(text);
}

int64_t ConfigFields::count(const char* key, int64_t high, std::optional<int64_t> fallback,
                            int64_t low) {
  if (absent(key) && fallback) return *fallback;
  const bool whole = !absent(key) && json_.at(key).is_number_integer();
  const bool huge = whole && json_.at(key).is_number_unsigned() &&
                    json_.at(key).get<uint64_t>() > static_cast<uint64_t>(high);
  if (!whole || huge || json_.at(key).get<int64_t>() < low || json_.at(key).get<int64_t>() > high) {
    problem(std::string(key) + ": expected a whole number from " + std::to_string(low) + " to " +
            std::to_string(high) + ", got " + got(key));
    return 0;
  }
  return json_.at(key).get<int64_t>();
}

double ConfigFields::number(const char* key, double fallback, double below) {
  if (absent(key)) return fallback;
  const Json& value = json_.at(key);
  if (!value.is_number() || !(value.get<double>() >= 0) || !(value.get<double>() < below)) {
    std::ostringstream text;
    text << key << ": expected a number from 0 to less than " << below << ", got " << got(key);
    problem(text.str());
    return fallback;
  }
  return value.get<double>();
}

void ConfigFields::expect(const char* key, const Json& expected, const std::string& because) {
  if (absent(key) || json_.at(key) == expected) return;
  problem(std::string(key) + ": expected " + expected.dump() + ", got " + got(key) + "; " +
          because);
}

std::string ConfigFields::got(const char* key) const {
  if (absent(key)) return "nothing";
  const Json& value = json_.at(key);
  if (value.is_string()) return quote(value.get<std::string>());
  return value.is_structured() ? std::string("an ") + value.type_name() : value.dump();
}

}  // namespace lait
