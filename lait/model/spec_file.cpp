// lait.yaml: its model and data parts are a config's keys, which lait/config reads and writes; the
// labels and the threshold of "no answer" are beside them.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/numbers.h"
#include "lait/config/read.h"
#include "lait/config/yaml_tree.h"
#include "lait/data/labels.h"
#include "lait/data/task.h"
#include "lait/model/head.h"
#include "lait/model/spec.h"

namespace lait {
namespace {

constexpr const char* kSpecFile = "lait.yaml";
constexpr const char *kLabels = "labels", *kNoAnswerThreshold = "no_answer_threshold";

// The config with the defaults for reading files.
Config unread(Config config) {
  const DataConfig defaults;
  config.data.format = defaults.format;
  config.data.columns = defaults.columns;
  config.data.label_map = defaults.label_map;
  return config;
}

}  // namespace

std::string write_spec(const ModelSpec& spec) {
  Config config;
  config.task = spec.task;
  config.model.schedule = spec.schedule;
  config.training.elastic_independent_layers = spec.elastic;
  config.model.segment_format = spec.format;
  config.model.head = spec.head;
  config.model.pooling = spec.pooling;
  config.model.lexical_bias = spec.lexical_bias ? Switch::kOn : Switch::kOff;
  config.data.max_segment_tokens = spec.max_segment_tokens;
  config.data.on_overflow = spec.on_overflow;
  config.data.window_overlap = spec.window_overlap;
  config.data.num_segments = spec.num_segments;
  config.data.format = spec.reading.format;
  config.data.columns = spec.reading.columns;
  config.data.label_map = spec.reading.label_map;
  std::vector<std::string> fields{
      "task",          "model.schedule",    "model.segment_format",    "model.head",
      "model.pooling", "data.num_segments", "data.max_segment_tokens", "data.on_overflow"};
  if (spec.lexical_bias) fields.emplace_back("model.lexical_bias");
  if (spec.window_overlap) fields.emplace_back("data.window_overlap");
  if (!spec.elastic.empty()) fields.emplace_back("training.elastic_independent_layers");
  for (const std::string& field : changed_fields(config, unread(config))) fields.push_back(field);
  // Not yaml_text, which is for a config's texts, where ${VAR} expands; labels are read literally.
  // Quoted, so that no reader of YAML takes `no` or 007 for something else.
  YAML::Emitter labels;
  labels << YAML::BeginMap << YAML::Key << kLabels << YAML::Value << YAML::BeginSeq;
  for (const std::string& label : spec.labels) labels << YAML::DoubleQuoted << label;
  labels << YAML::EndSeq;
  if (spec.window_overlap)
    labels << YAML::Key << kNoAnswerThreshold << YAML::Value
           << number_text(spec.no_answer_threshold);
  labels << YAML::EndMap;
  return "# How this model reads texts: written by lait-train, read by lait-eval and "
         "lait-predict.\n" +
         write_fields(config, fields) + labels.c_str() + "\n";
}

namespace {

// Removes the labels from the tree; the rest is a config without model.path.
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
    std::set<std::string> seen;
    for (const YamlNode& label : list.items) {
      if (!seen.insert(label.scalar).second) {
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

// Removes the threshold from the tree; 0 if there is none.
double take_threshold(YamlNode& root, const Origin& origin) {
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    if (root.items[i].scalar != kNoAnswerThreshold) continue;
    const YamlNode value = root.items[i + 1];
    const auto number = value.is_scalar() ? parse_number<double>(value.scalar) : std::nullopt;
    if (!number)
      throw UserError(origin.at(root.items[i].line) + ": " + kNoAnswerThreshold +
                      ": expected a number, got " + value.describe());
    root.items.erase(root.items.begin() + static_cast<ptrdiff_t>(i),
                     root.items.begin() + static_cast<ptrdiff_t>(i + 2));
    return *number;
  }
  return 0;
}

YamlNode scalar(const std::string& text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = text;
  return node;
}

}  // namespace

bool has_spec(const std::filesystem::path& dir) { return std::filesystem::exists(dir / kSpecFile); }

ModelSpec read_spec(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / kSpecFile;
  if (!has_spec(dir)) {
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
  spec.no_answer_threshold = take_threshold(root, origin);
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    YamlNode& section = root.items[i + 1];
    if (root.items[i].scalar == "model" && section.kind == YamlNode::Kind::kMap)
      section.items.insert(section.items.end(), {scalar("path"), scalar(".")});
  }
  const Config config = parse_config(root, path.string());
  spec.task = config.task;
  with_context(path.string(), [&] { find_task(spec.task); });
  const ModelConfig& model = config.model;
  spec.schedule = model.schedule;
  spec.elastic = config.training.elastic_independent_layers;
  spec.format = model.segment_format;
  spec.max_segment_tokens = config.data.max_segment_tokens;
  spec.on_overflow = config.data.on_overflow;
  spec.window_overlap = config.data.window_overlap;
  // Absent before the key was known: any number.
  spec.num_segments = config.data.num_segments.value_or(0);
  spec.reading = read_options(config.data);
  if (spec.schedule.empty() || spec.format == SegmentFormat::kAuto || !model.head ||
      !model.pooling || spec.max_segment_tokens < kFewestTokens) {
    throw UserError(path.string() +
                    ": expected schedule, segment_format (standalone or pair), "
                    "head, pooling and max_segment_tokens");
  }
  spec.head = *model.head;
  spec.pooling = *model.pooling;
  spec.lexical_bias = model.lexical_bias == Switch::kOn;
  const HeadInfo& head =
      with_context(path.string(), [&]() -> const HeadInfo& { return find_head(spec.head); });
  if (takes(head, LabelKind::kSpans) != spec.window_overlap.has_value()) {
    throw UserError(path.string() +
                    ": expected data.window_overlap for a head that finds spans, "
                    "and for no other; is the file damaged?");
  }
  if (spec.label_kind() == LabelKind::kClass && spec.labels.size() < 2) {
    throw UserError(path.string() + ": expected at least two labels, got " +
                    std::to_string(spec.labels.size()));
  }
  return spec;
}

}  // namespace lait
