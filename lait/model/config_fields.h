// Reads the fields of a config.json and collects their problems, so that one message lists them
// all.
#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lait {

class ConfigFields {
 public:
  ConfigFields(std::filesystem::path path, const nlohmann::ordered_json& json)
      : path_(std::move(path)), json_(json) {}

  void problem(const std::string& what) { problems_.push_back(what); }
  // Throws one UserError with the file and all problems; nothing if there are none.
  void throw_problems() const;

  bool absent(const char* key) const { return !json_.contains(key) || json_.at(key).is_null(); }
  bool is(const char* key, const nlohmann::ordered_json& value) const {
    return json_.contains(key) && json_.at(key) == value;
  }
  // A whole number in [low, high]; 0 if it is wrong, which adds a problem.
  int64_t count(const char* key, int64_t high, std::optional<int64_t> fallback = std::nullopt,
                int64_t low = 1);
  // A number in [0, below); the fallback if it is null or missing.
  double number(const char* key, double fallback, double below);
  // A field for which this build supports one value only; a missing key counts as that value.
  void expect(const char* key, const nlohmann::ordered_json& expected, const std::string& because);

 private:
  std::string got(const char* key) const;

  std::filesystem::path path_;
  const nlohmann::ordered_json& json_;
  std::vector<std::string> problems_;
};

}  // namespace lait
