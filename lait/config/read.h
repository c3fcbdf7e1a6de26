// Configs: strict reading of YAML, the shipped ones, writing back, and what a config means for a model.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/config/names.h"

namespace lait {

// Reads a YAML file and applies overrides "key=value" (the value is YAML). Throws one UserError with a line "file:line: …"
// for every mistake: unknown and repeated keys (with the nearest), wrong types, impossible values, undefined ${VAR}.
// `tasks`: the known tasks' names; empty: any.
Config read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides, const std::vector<std::string>& tasks = {});
// The same from text; `name` stands for the file in messages.
Config parse_config(const std::string& text, const std::string& name, const std::vector<std::string>& overrides, const std::vector<std::string>& tasks = {});

// YAML that reads back to the same config.
std::string write_config(const Config& config);

// `name` as a path, or the shipped config of that name. Throws UserError listing the shipped ones.
std::filesystem::path find_config(const std::string& name);
struct ShippedConfig {
  std::string name;
  std::string summary;  // the first line of its head comment
};
std::vector<ShippedConfig> list_configs();

// A directory with config.json: `name` as a path, a model that set-up or installation brought, or the snapshot in the local
// Hugging Face cache (HF_HUB_CACHE, HF_HOME). Throws UserError naming the command that fetches it.
std::filesystem::path find_model(const std::string& name);

// The stages of the schedule. Throws UserError: more independent layers than the model has, stages that do not add up,
// a scope narrower than one before.
std::vector<Stage> resolve_schedule(const ModelConfig& model, int64_t num_layers);
// kPair or kStandalone. Throws UserError for pair with layers that are not example scope.
SegmentFormat resolve_segment_format(const ModelConfig& model, const std::vector<Stage>& stages);

}  // namespace lait
