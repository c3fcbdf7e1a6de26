#include "lait/model/stored_head.h"

#include <unicode/unistr.h>

#include <algorithm>
#include <map>

#include "lait/base/error.h"
#include "lait/base/json.h"
#include "lait/config/enum_names.h"
#include "lait/model/head.h"
#include "lait/model/hf_code.h"
#include "lait/model/hf_labels.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

std::string without_case(const std::string& text) {
  std::string folded;
  icu::UnicodeString::fromUTF8(text).foldCase().toUTF8String(folded);
  return folded;
}

// The index in `stored` of each of `wanted`; empty unless they are the same set of distinct names.
std::vector<int64_t> order_of(const std::vector<std::string>& wanted,
                              const std::vector<std::string>& stored) {
  std::map<std::string, int64_t> index;
  for (const std::string& name : stored) index.emplace(name, std::ssize(index));
  if (index.size() != stored.size() || wanted.size() != stored.size()) return {};
  std::vector<int64_t> order;
  for (const std::string& name : wanted) {
    const auto found = index.find(name);
    if (found == index.end()) return {};
    order.push_back(found->second);
    index.erase(found);  // so that a name that is wanted twice matches once
  }
  return order;
}

std::vector<std::string> without_case(std::vector<std::string> names) {
  for (std::string& name : names) name = without_case(name);
  return names;
}

// The classes that config.json names.
nlohmann::ordered_json architectures(const HfConfig& config) {
  const auto named = config.raw.find("architectures");
  return named != config.raw.end() && named->is_array() ? *named : nlohmann::ordered_json::array();
}

// Whether config.json names that class.
bool names_class(const HfConfig& config, const std::string& name) {
  const auto named = architectures(config);
  return std::find(named.begin(), named.end(), name) != named.end();
}

// The class whose head the checkpoint has, if config.json names others than `expected` only.
std::string other_class(const HfConfig& config, const std::string& expected) {
  const auto named = architectures(config);
  if (named.empty() || names_class(config, expected)) return "";
  return named.front().is_string() ? named.front().get<std::string>() : "";
}

}  // namespace

void check_fits(const fs::path& dir, const ModelSpec& spec, const HfConfig& config) {
  const std::string where = (dir / "lait.yaml").string() + " does not belong to config.json";
  spec.check(config, where);
  const auto fail = [&](const std::string& what) {
    throw UserError(where + ": " + what + "; use both files of one model");
  };
  const std::vector<std::string>& named = config.labels;
  const auto says = [&](const char* key) {
    return config.raw.contains(key) && !config.raw[key].is_null();
  };
  if (says("problem_type") && config.raw["problem_type"] != find_head(spec.head).problem_type) {
    fail("model.head: expected one for problem_type " + config.raw["problem_type"].dump() +
         ", got " + to_string(spec.head));
  }
  if (config.raw.contains(kHfSettings) &&
      nlohmann::json(config.raw[kHfSettings]) != nlohmann::json(hf_code_fields(spec)[kHfSettings]))
    fail("expected the settings in config.json's \"lait\", got others");
  if (named.empty()) return;
  const size_t outputs = std::max<size_t>(1, spec.labels.size());
  const bool has_names = says("id2label");
  if (!find_head(spec.head).pools) return;
  if (named.size() != outputs) {
    fail("labels: expected " + std::to_string(named.size()) +
         (has_names ? ", as id2label has" : ", as num_labels says") + ", got " +
         std::to_string(outputs));
  }
  if (!has_names) return;
  for (size_t i = 0; i < spec.labels.size(); ++i) {
    if (named[i] == spec.labels[i]) continue;
    fail("labels: expected " + quote(named[i]) + " as label " + std::to_string(i) +
         ", as id2label says, got " + quote(spec.labels[i]));
  }
}

StoredHead read_stored_head(const fs::path& dir, const HfConfig& config) {
  if (has_spec(dir)) {
    const ModelSpec spec = read_spec(dir);
    check_fits(dir, spec, config);
    return {.kind = spec.head, .pooling = spec.pooling, .labels = spec.labels};
  }
  StoredHead head{.kind = hf_head_kind(config.raw, config.labels.size())};
  if (!are_unnamed(config.labels)) head.labels = config.labels;
  const auto problem = config.raw.find("problem_type");
  head.is_any_number =
      config.labels.size() == 1 && (problem == config.raw.end() || problem->is_null());
  const HeadKind kind = head.kind.value_or(HeadKind::kClassifier);
  const std::string expected = config.family->head_tensors(kind, true).architecture;
  // Heads of another class, which its name tells.
  for (const HeadInfo& other : all_heads()) {
    const std::string name = config.family->head_tensors(other.kind, true).architecture;
    if (name == expected || !names_class(config, name)) continue;
    return {.kind = other.kind};
  }
  head.other_class = other_class(config, expected);
  return head;
}

HeadMatch match_head(const StoredHead& stored, const ModelSpec& spec) {
  if (!stored.other_class.empty()) return {"head is " + stored.other_class + "'s"};
  const bool fits = stored.kind == spec.head || (stored.is_any_number && spec.labels.empty());
  if (!fits) {
    return {stored.kind ? "head is a " + to_string(*stored.kind)
                        : std::string("problem_type is another")};
  }
  if (find_head(spec.head).pools && stored.pooling != spec.pooling)
    return {"head has pooling " + to_string(stored.pooling)};
  if (spec.labels.empty()) return {};
  if (stored.labels.empty()) return {"labels have no names"};
  std::vector<int64_t> order = order_of(spec.labels, stored.labels);
  if (order.empty()) order = order_of(without_case(spec.labels), without_case(stored.labels));
  if (order.empty()) return {"head has other labels"};
  if (std::ranges::is_sorted(order)) order.clear();
  return {"", order};
}

}  // namespace lait
