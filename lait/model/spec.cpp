// lait.yaml: what a checkpoint says beside weights and tokenizer. The model's and the data's part are a config's keys, so
// lait/config reads and writes them; the labels stand beside them.
#include <yaml-cpp/yaml.h>

#include "lait/config/read.h"
#include "lait/error.h"
#include "lait/files.h"
#include "lait/model/model.h"

namespace lait {
namespace {

constexpr const char* kFile = "lait.yaml";
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
  for (const char* key : {"schedule", "segment_format", "head", "pooling"}) out["model"][key] = node["model"][key];
  for (const char* key : {"max_segment_tokens", "on_overflow"}) out["data"][key] = node["data"][key];
  out[kLabels] = spec.labels;
  YAML::Emitter emitter;
  emitter << out;
  return std::string("# How this model reads texts: written by lait-train, read by lait-eval and lait-predict.\n") + emitter.c_str() + "\n";
}

ModelSpec read_spec(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / kFile;
  if (!std::filesystem::exists(path)) {
    throw UserError(dir.string() + ": expected a checkpoint of lait-train with lait.yaml (a run's best/), got none");
  }
  ModelSpec spec;
  Config config;
  try {
    YAML::Node node = YAML::Load(read_file(path));
    if (!node.IsMap()) throw UserError(path.string() + ": expected a mapping of keys");
    if (node[kLabels]) spec.labels = node[kLabels].as<std::vector<std::string>>();
    node.remove(kLabels);
    node["model"]["path"] = ".";  // the reader wants one
    YAML::Emitter emitter;
    emitter << node;
    config = parse_config(emitter.c_str(), path.string(), {});
  } catch (const YAML::Exception& error) {
    throw UserError(path.string() + ": expected the YAML that lait-train writes: " + error.msg);
  }
  spec.task = config.task;
  spec.stages = config.model.schedule;
  spec.format = config.model.segment_format;
  spec.pooling = config.model.pooling;
  spec.head = config.model.head.value_or(Head::kClassifier);
  spec.max_segment_tokens = config.data.max_segment_tokens;
  spec.on_overflow = config.data.on_overflow;
  if (spec.stages.empty() || spec.format == SegmentFormat::kAuto || spec.max_segment_tokens < 2 || spec.head == Head::kText) {
    throw UserError(path.string() + ": expected schedule, segment_format (standalone or pair), head and max_segment_tokens");
  }
  if (spec.head == Head::kClassifier && spec.labels.size() < 2) {
    throw UserError(path.string() + ": expected at least two labels, got " + std::to_string(spec.labels.size()));
  }
  return spec;
}

}  // namespace lait
