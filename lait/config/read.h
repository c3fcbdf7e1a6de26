// Configs: reads YAML strictly, finds the shipped ones, and resolves what a config means for a
// model. write.h writes them.
//
//   const Config config =
//       read_config(find_config("mnli_split4.yaml").string(), {"training.seed=2"}, task_names);
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "lait/config/config.h"
#include "lait/config/did_you_mean.h"
#include "lait/config/override.h"
#include "lait/config/write.h"

namespace lait {

// Reads a YAML file and applies overrides. If a key is repeated, the last override wins. An
// override of one of two keys that exclude each other replaces the other; an empty one goes back to
// the default. With optimizer: adafactor the defaults of learning rate, decay and clipping are
// T5's.
//
// Throws one UserError with a line "file:line: …" for every mistake: unknown and repeated keys
// (with the nearest known one), wrong types, impossible values, keys without a value, undefined
// ${VAR}. Needs neither the model nor the data. `tasks`: the names of the known tasks; empty: any.
Config read_config(const std::filesystem::path& file, const std::vector<Override>& overrides,
                   const std::vector<std::string>& tasks = {});
// The same from text; messages call it `name`.
Config parse_config(const std::string& text, const std::string& name,
                    const std::vector<Override>& overrides,
                    const std::vector<std::string>& tasks = {});
// The same from a tree (yaml_tree.h), with any task.
struct YamlNode;
Config parse_config(const YamlNode& root, const std::string& name);

// An override that sets a field to exactly `text`, with ${…} as it is: for the value of another
// option, e.g. --output. Throws UserError "OPTION: …" if it is not UTF-8.
Override text_override(const std::string& option, const std::string& key, const std::string& text);

// Returns `name` if it is a path, or the shipped config of that name (".yaml" may be left out).
// Throws UserError "GIVEN_WITH NAME: …" with the list of shipped configs.
std::filesystem::path find_config(const std::string& name,
                                  const std::string& given_with = "--config");
struct ShippedConfig {
  std::string name;
  std::string summary;  // the first line of its head comment
};
std::vector<ShippedConfig> list_configs();  // by name

// What a message about a missing path adds if it begins with ~; else "".
std::string tilde_hint(const std::string& path);

// Finds the directory with config.json: `name` as a path, a model that set-up or installation
// brought, or the snapshot in the local Hugging Face cache (HF_HUB_CACHE, HF_HOME/hub,
// ~/.cache/huggingface/hub). Never uses the network. Throws UserError "GIVEN_WITH: NAME: …" with
// the command that fetches it.
std::filesystem::path find_model(const std::string& name,
                                 const std::string& given_with = "model.path");

// What the model's part of a config means for a model of num_layers layers. Throws UserError
// "model.KEY: …": more independent layers than the model has, stages that do not add up, a scope
// narrower than one before.
Schedule resolve_schedule(const ModelConfig& model, int64_t num_layers);

}  // namespace lait
