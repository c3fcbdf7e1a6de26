// lait.yaml: what a checkpoint says beside weights and tokenizer. The model's and the data's part are a config's keys, so
// lait/config reads and writes them; the labels stand beside them.
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/read.h"
#include "lait/config/yaml_tree.h"
#include "lait/data/labels.h"
#include "lait/data/task.h"
#include "lait/model/model.h"

namespace lait {
namespace {

constexpr const char* kSpecFile = "lait.yaml";
constexpr const char* kLabels = "labels";

}  // namespace

std::string write_spec(const ModelSpec& spec) {
  Config config;
  config.task = spec.task;
  config.model.path = ".";
  config.model.schedule = spec.stages;
  config.model.segment_format = spec.format;
  config.model.head = spec.head;
  config.model.pooling = spec.pooling;
  config.data.max_segment_tokens = spec.max_segment_tokens;
  config.data.on_overflow = spec.on_overflow;
  YAML::Node node = YAML::Load(write_config(config));
  YAML::Node out;  // only what describes the model
  out["task"] = node["task"];
  for (const char* key : {"schedule", "segment_format", "head", "pooling"})
    out["model"][key] = node["model"][key];
  for (const char* key : {"max_segment_tokens", "on_overflow"})
    out["data"][key] = node["data"][key];
  out[kLabels] = spec.labels;
  YAML::Emitter emitter;
  emitter << out;
  return std::string(
             "# How this model reads texts: written by lait-train, read by lait-eval and "
             "lait-predict.\n") +
         emitter.c_str() + "\n";
}

namespace {

// Takes the labels out of the tree; what is left is a config without model.path.
std::vector<std::string> take_labels(YamlNode& root, const Origin& origin) {
  std::vector<std::string> labels;
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    if (root.items[i].scalar != kLabels) continue;
    const YamlNode list = root.items[i + 1];
    const bool texts =
        list.kind == YamlNode::Kind::kList && std::ranges::all_of(list.items, &YamlNode::is_scalar);
    if (!texts && list.kind != YamlNode::Kind::kNull)
      throw UserError(origin.at(root.items[i].line) + ": labels: expected a list of texts, got " +
                      list.describe());
    for (const YamlNode& label : list.items) {
      if (std::ranges::find(labels, label.scalar) != labels.end()) {
        throw UserError(origin.at(label.line) + ": labels: expected each label once, got " +
                        label.describe() + " twice");
      }
      labels.push_back(label.scalar);
      if (labels.size() > kMaxLabels)
        throw UserError(origin.at(label.line) + ": labels: expected at most " +
                        std::to_string(kMaxLabels) + ", got more");
    }
    root.items.erase(root.items.begin() + static_cast<ptrdiff_t>(i),
                     root.items.begin() + static_cast<ptrdiff_t>(i + 2));
    break;  // a second list is then an unknown key
  }
  return labels;
}

YamlNode scalar(const std::string& text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = text;
  return node;
}

}  // namespace

ModelSpec read_spec(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / kSpecFile;
  if (!std::filesystem::exists(path)) {
    throw UserError(
        dir.string() +
        ": expected a checkpoint of lait-train with lait.yaml (a run's best/), got none");
  }
  const Origin origin{path.string()};
  YamlNode root = parse_yaml(read_file(path), origin);
  if (root.kind != YamlNode::Kind::kMap)
    throw UserError(path.string() + ": expected a mapping of keys");
  ModelSpec spec;
  spec.labels = take_labels(root, origin);
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    YamlNode& section = root.items[i + 1];
    if (root.items[i].scalar == "model" && section.kind == YamlNode::Kind::kMap)
      section.items.insert(section.items.end(), {scalar("path"), scalar(".")});
  }
  const Config config = parse_config(root, path.string());
  spec.task = config.task;
  with_context(path.string(), [&] { find_task(spec.task); });
  spec.stages = config.model.schedule;
  spec.format = config.model.segment_format;
  spec.pooling = config.model.pooling;
  spec.head = config.model.head.value_or(Head::kClassifier);
  spec.max_segment_tokens = config.data.max_segment_tokens;
  spec.on_overflow = config.data.on_overflow;
  if (spec.stages.empty() || spec.format == SegmentFormat::kAuto ||
      spec.max_segment_tokens < kFewestTokens || spec.head == Head::kText) {
    throw UserError(
        path.string() +
        ": expected schedule, segment_format (standalone or pair), head and max_segment_tokens");
  }
  if (spec.head == Head::kClassifier && spec.labels.size() < 2) {
    throw UserError(path.string() + ": expected at least two labels, got " +
                    std::to_string(spec.labels.size()));
  }
  return spec;
}

void check_example(const Example& example, const ModelSpec& spec) {
  const std::vector<std::string> names = find_task(spec.task).segment_names();
  if (!names.empty() && example.segments.size() != names.size()) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    throw UserError("expected " + std::to_string(names.size()) + " segments (" + list + "), got " +
                    std::to_string(example.segments.size()));
  }
  if (example.segments.empty()) throw UserError("expected at least one segment, got none");
  if (example.groups.empty() && std::ranges::any_of(spec.stages, [](const Stage& s) {
        return s.num_layers > 0 && s.scope == Scope::kGroup;
      })) {
    throw UserError(
        "expected the field \"groups\", which the model's schedule has a stage for, got none");
  }
  check_pooling(spec.pooling, spec.stages, example.segments.size() > 1);
}

void check_examples(std::span<const Example> examples, const ModelSpec& spec) {
  for (size_t i = 0; i < examples.size(); ++i) {
    try {
      check_example(examples[i], spec);
    } catch (const UserError& error) {
      throw UserError(example_name(examples, i) + ": " + error.what());
    }
  }
}

}  // namespace lait
