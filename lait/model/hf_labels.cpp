#include "lait/model/hf_labels.h"

#include <nlohmann/json.hpp>
#include <set>

#include "lait/base/json.h"
#include "lait/data/labels.h"
#include "lait/model/config_fields.h"
#include "lait/model/head.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

std::string unnamed(size_t index) { return "LABEL_" + std::to_string(index); }

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Text as it is; numbers and booleans as the data files' labels, which are texts too.
bool is_name(const Json& value) {
  return value.is_string() || value.is_number() || value.is_boolean();
}

// Whether label2id is transformers' default, which it also writes beside an id2label with names.
bool is_default(const Json& label2id) {
  for (const auto& [name, index] : label2id.items()) {
    if (!index.is_number_unsigned() || name != unnamed(index.get<size_t>())) return false;
  }
  return true;
}

void check_label2id(ConfigFields& fields, const Json& label2id,
                    const std::vector<std::string>& labels) {
  if (!label2id.is_object()) {
    fields.problem(std::string("label2id: expected an object, got ") + label2id.type_name());
    return;
  }
  // The default says nothing of other names.
  const bool names_all = !is_default(label2id);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto found = label2id.find(labels[i]);
    const std::string got = found == label2id.end() ? "none" : text_of(*found);
    if (got == std::to_string(i) || (found == label2id.end() && !names_all)) continue;
    fields.problem("label2id: expected " + std::to_string(i) + " for " + quote(labels[i]) +
                   ", as id2label says, got " + got);
    return;
  }
  if (names_all && label2id.size() != labels.size()) {
    fields.problem("label2id: expected the " + std::to_string(labels.size()) +
                   " labels of id2label, got " + std::to_string(label2id.size()));
  }
}

}  // namespace

std::vector<std::string> read_hf_labels(ConfigFields& fields, const Json& json) {
  if (fields.absent("id2label")) {
    if (fields.absent("num_labels")) return {};
    const int64_t count = fields.count("num_labels", int64_t{kMaxLabels});
    std::vector<std::string> labels;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) labels.push_back(unnamed(i));
    return labels;
  }
  const Json& id2label = json.at("id2label");
  if (!id2label.is_object()) {
    fields.problem(std::string("id2label: expected an object of names by index, got ") +
                   (id2label.is_array() ? "a list" : id2label.type_name()));
    return {};
  }
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (size_t i = 0; i < id2label.size(); ++i) {
    const auto found = id2label.find(std::to_string(i));
    if (found == id2label.end()) {
      fields.problem("id2label: expected the keys 0 to " + std::to_string(id2label.size() - 1) +
                     ", got no " + quote(std::to_string(i)));
      return {};
    }
    if (!is_name(*found)) {
      fields.problem("id2label: expected a text for each index, got " +
                     std::string(found->type_name()) + " for " + std::to_string(i));
      return {};
    }
    labels.push_back(text_of(*found));
    if (!seen.insert(labels.back()).second) {
      fields.problem("id2label: expected each name once, got " + quote(labels.back()) + " twice");
      return {};
    }
  }
  if (!fields.absent("label2id")) check_label2id(fields, json.at("label2id"), labels);
  if (!fields.absent("num_labels") && json.at("num_labels") != labels.size()) {
    fields.problem("num_labels: expected " + std::to_string(labels.size()) +
                   ", the number of labels in id2label, got " + json.at("num_labels").dump());
  }
  return labels;
}

bool are_unnamed(const std::vector<std::string>& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != unnamed(i)) return false;
  }
  return true;
}

std::optional<HeadKind> hf_head_kind(const Json& json, size_t num_labels) {
  const auto problem = json.is_object() ? json.find("problem_type") : json.end();
  if (problem == json.end() || problem->is_null())
    return num_labels == 1 ? HeadKind::kRegression : HeadKind::kClassifier;
  for (const HeadInfo& head : all_heads()) {
    const bool has_outputs = takes(head, LabelKind::kClass) || num_labels == 1;
    if (head.pools && has_outputs && *problem == head.problem_type) return head.kind;
  }
  return std::nullopt;
}

void write_hf_labels(Json& json, HeadKind head, const std::vector<std::string>& labels) {
  // id2label defines the number of labels; an older count beside it would override it or cause a
  // warning.
  for (const char* key : {"num_labels", "_num_labels"}) json.erase(key);
  const HeadInfo& info = find_head(head);
  if (!info.pools) {
    // A start and an end have no names (transformers' default are two outputs), nor has a text.
    for (const char* key : {"id2label", "label2id", "problem_type"}) json.erase(key);
    return;
  }
  const std::vector<std::string> names =
      labels.empty() ? std::vector<std::string>{unnamed(0)} : labels;
  Json id2label = Json::object(), label2id = Json::object();
  for (size_t i = 0; i < names.size(); ++i) {
    id2label[std::to_string(i)] = names[i];
    label2id[names[i]] = i;
  }
  json["id2label"] = id2label;
  json["label2id"] = label2id;
  json["problem_type"] = info.problem_type;
}

}  // namespace lait
