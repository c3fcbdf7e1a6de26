// Configs: strict reading of YAML, the shipped ones, and what a config means for a model; writing comes with it (write.h).
//
//   const Config config = read_config(find_config("mnli_split4.yaml").string(), {"training.seed=2"}, task_names);
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/config/did_you_mean.h"
#include "lait/config/write.h"

namespace lait {

// Reads a YAML file and applies overrides "key=value" (the value is YAML; the last one of a key counts; one of two keys
// that exclude each other takes the other's place). Throws one UserError with a line "file:line: …" for every mistake:
// unknown and repeated keys (with the nearest), wrong types, impossible values, undefined ${VAR}; it needs neither the
// model nor the data for that. `tasks`: the known tasks' names; empty: any.
Config read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                   const std::vector<std::string>& tasks = {});
// The same from text; `name` stands for the file in messages.
Config parse_config(const std::string& text, const std::string& name,
                    const std::vector<std::string>& overrides,
                    const std::vector<std::string>& tasks = {});
// The same from a tree (yaml_tree.h), with any task.
struct YamlNode;
Config parse_config(const YamlNode& root, const std::string& name);

// The override that gives a field of text exactly `text`, whatever YAML or ${…} would make of it: for values of other
// options, e.g. --output.
std::string text_override(const std::string& key, const std::string& text);

// `name` as a path, or the shipped config of that name (".yaml" may be left out). Throws UserError listing the shipped ones.
std::filesystem::path find_config(const std::string& name);
struct ShippedConfig {
  std::string name;
  std::string summary;  // the first line of its head comment
};
std::vector<ShippedConfig> list_configs();  // by name

// What a message about a path that is not there adds where it begins with ~; else "".
std::string tilde_hint(const std::string& path);

// A directory with config.json: `name` as a path, a model that set-up or installation brought, or the snapshot in the
// local Hugging Face cache (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub). Never goes to the network. Throws
// UserError naming the command that fetches it.
std::filesystem::path find_model(const std::string& name);

// What the model's part of a config means for a model of num_layers layers. Throws UserError "model.KEY: …": more
// independent layers than the model has, stages that do not add up, a scope narrower than one before.
Schedule resolve_schedule(const ModelConfig& model, int64_t num_layers);

}  // namespace lait
