// lait.yaml: its model and data parts are a config's keys, which lait/config reads and writes; the
// labels are beside them.
#include "lait/model/spec.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/enum_names.h"
#include "lait/config/read.h"
#include "lait/config/yaml_tree.h"
#include "lait/data/labels.h"
#include "lait/data/task.h"
#include "lait/model/family.h"
#include "lait/model/head.h"

namespace lait {
namespace {

constexpr const char* kSpecFile = "lait.yaml";
constexpr const char* kLabels = "labels";

}  // namespace

void ModelSpec::check(const HfConfig& config, const std::string& where) const {
  const auto checks = [&] {
    with_context("model.schedule", [&] { check_schedule(schedule, config.num_hidden_layers); });
    resolve_segment_format(format, schedule);
    const std::string problem = config.family->pair_problem(config);
    if (format == SegmentFormat::kPair && !problem.empty())
      throw UserError("model.segment_format: " + problem + "; use standalone");
    if (find_head(head).needs_decoder && !config.family->has_decoder())
      throw UserError("model.head: " + to_string(head) + " needs a decoder, and " +
                      config.family->model_type() + " has none");
    if (max_segment_tokens > config.max_tokens) {
      throw UserError("data.max_segment_tokens: expected at most the model's " +
                      std::to_string(config.max_tokens) + " positions, got " +
                      std::to_string(max_segment_tokens));
    }
  };
  if (where.empty()) return checks();
  with_context(where, checks);
}

ModelSpec ModelSpec::at(int64_t independent_layers, const HfConfig& config) const {
  ModelSpec spec = *this;
  spec.schedule = with_context("--independent-layers", [&] {
    return split_schedule(independent_layers, config.num_hidden_layers);
  });
  if (format == SegmentFormat::kPair) {
    throw UserError(
        "--independent-layers needs a checkpoint of segment_format standalone, got pair (the "
        "segments of a pair are one sequence); leave it out");
  }
  with_context("--independent-layers", [&] {
    check_pooling(spec.pooling, spec.schedule, /*several_segments=*/true, "give fewer layers");
  });
  return spec;
}

TokenizeOptions ModelSpec::tokenize_options(const HfConfig& config,
                                            const Tokenizer& tokenizer) const {
  return {.layout = config.family->layout(config, tokenizer.special_tokens()),
          .format = format,
          .max_tokens = max_segment_tokens,
          .on_overflow = on_overflow,
          .prompts = find_task(task).prompts()};
}

SegmentFormat resolve_segment_format(SegmentFormat format, const Schedule& schedule) {
  const bool stock = !has_scope(schedule, Scope::kSegment) && !has_scope(schedule, Scope::kGroup);
  if (format == SegmentFormat::kPair && !stock) {
    throw UserError(
        "model.segment_format: pair is the stock layout, for independent_layers: 0 only; use auto "
        "or standalone");
  }
  if (format != SegmentFormat::kAuto) return format;
  return stock ? SegmentFormat::kPair : SegmentFormat::kStandalone;
}

ModelSpec resolve_spec(Config& config, const HfConfig& hf) {
  const Task& task = find_task(config.task);
  ModelConfig& model = config.model;
  if (!model.head) model.head = head_for(task.label_kind());
  if (!model.pooling) model.pooling = hf.family->default_pooling();
  const HeadInfo& head = find_head(*model.head);
  if (!task.open_labels() && head.labels != task.label_kind()) {
    throw UserError("model.head: task " + task.name() + " has " +
                    (task.label_kind() == LabelKind::kClass ? "classes" : "scores") +
                    ", so the head must be " + to_string(head_for(task.label_kind())));
  }
  if (config.output.hf_code == Switch::kOn && !hf.family->has_hf_code()) {
    throw UserError("output.hf_code: modeling_lait.py does not compute " + hf.family->model_type() +
                    " models; leave it out");
  }
  ModelSpec spec;
  spec.schedule = resolve_schedule(model, hf.num_hidden_layers);
  spec.format = resolve_segment_format(model.segment_format, spec.schedule);
  spec.pooling = *model.pooling;
  spec.head = *model.head;
  spec.max_segment_tokens =
      config.data.max_segment_tokens > 0 ? config.data.max_segment_tokens : hf.max_tokens;
  spec.on_overflow = config.data.on_overflow;
  spec.task = task.name();
  spec.labels = task.labels();
  config.data.max_segment_tokens = spec.max_segment_tokens;
  spec.num_segments = resolve_num_segments(config.data, task);
  spec.reading = read_options(config.data);
  check_options(spec.reading, task, head.labels);
  spec.check(hf, "");
  return spec;
}

namespace {

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
  config.model.segment_format = spec.format;
  config.model.head = spec.head;
  config.model.pooling = spec.pooling;
  config.data.max_segment_tokens = spec.max_segment_tokens;
  config.data.on_overflow = spec.on_overflow;
  config.data.num_segments = spec.num_segments;
  config.data.format = spec.reading.format;
  config.data.columns = spec.reading.columns;
  config.data.label_map = spec.reading.label_map;
  std::vector<std::string> fields{
      "task",          "model.schedule",    "model.segment_format",    "model.head",
      "model.pooling", "data.num_segments", "data.max_segment_tokens", "data.on_overflow"};
  for (const std::string& field : changed_fields(config, unread(config))) fields.push_back(field);
  // Not yaml_text, which is for a config's texts, where ${VAR} expands; labels are read literally.
  // Quoted, so that no reader of YAML takes `no` or 007 for something else.
  YAML::Emitter labels;
  labels << YAML::BeginMap << YAML::Key << kLabels << YAML::Value << YAML::BeginSeq;
  for (const std::string& label : spec.labels) labels << YAML::DoubleQuoted << label;
  labels << YAML::EndSeq << YAML::EndMap;
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
  spec.format = model.segment_format;
  spec.max_segment_tokens = config.data.max_segment_tokens;
  spec.on_overflow = config.data.on_overflow;
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
  const HeadInfo& head =
      with_context(path.string(), [&]() -> const HeadInfo& { return find_head(spec.head); });
  if (head.labels == LabelKind::kClass && spec.labels.size() < 2) {
    throw UserError(path.string() + ": expected at least two labels, got " +
                    std::to_string(spec.labels.size()));
  }
  return spec;
}

void check_example(const Example& example, const ModelSpec& spec) {
  const std::vector<std::string> names = find_task(spec.task).segment_names();
  const int64_t expected = names.empty() ? spec.num_segments : std::ssize(names);
  if (expected != 0 && std::ssize(example.segments) != expected) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? " (" : ", ") + name;
    throw UserError(
        "expected " + std::to_string(expected) + " segments" +
        (names.empty() ? " in every example" : list + ")") + ", got " +
        std::to_string(example.segments.size()) +
        (names.empty() ? "; train with data.num_segments: 0 if the number may differ" : ""));
  }
  if (example.segments.empty()) throw UserError("expected at least one segment, got none");
  if (example.groups.empty() && has_scope(spec.schedule, Scope::kGroup)) {
    throw UserError(
        "expected the field \"groups\", which the model's schedule has a stage for, got none");
  }
  if (find_head(spec.head).labels == LabelKind::kRelevance && has_label(example.label) &&
      example.query.empty()) {
    throw UserError(
        "expected the field \"query_id\", since the metrics of model.head: relevance rank the "
        "passages of a query, got none; use task: ranking or jsonl");
  }
  check_pooling(spec.pooling, spec.schedule, example.segments.size() > 1,
                "give one segment, or train with another pooling or fewer independent_layers");
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
