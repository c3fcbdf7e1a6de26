// Where configs and models are looked for: the working directory, what was built or installed, the Hugging Face cache.
#include <algorithm>
#include <cstdlib>

#include "lait/config/read.h"
#include "lait/error.h"
#include "lait/files.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

// PREFIX/share/lait of an installed program (PREFIX/bin/lait-x), or "" in a build tree.
fs::path installed_share() {
  std::error_code error;
  const fs::path share = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path() / "share" / "lait";
  return fs::is_directory(share, error) ? share : fs::path();
}

fs::path configs_folder() {
  const fs::path share = installed_share();
  return share.empty() ? fs::path(LAIT_SOURCE_DIR) / "configs" : share / "configs";
}

fs::path models_folder() {
  const fs::path share = installed_share();
  return share.empty() ? fs::path(LAIT_BUILD_DIR) / "models" : share / "models";
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// The hub cache of huggingface_hub.
fs::path hub_cache() {
  if (const auto cache = environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const auto home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "huggingface" / "hub";
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

bool is_model(const fs::path& dir) {
  std::error_code error;
  return fs::is_regular_file(dir / "config.json", error);
}

// models--org--name/refs/main names the snapshot.
fs::path cached_snapshot(const std::string& name) {
  std::string folder = "models--" + name;
  for (size_t at = folder.find('/'); at != std::string::npos; at = folder.find('/', at)) folder.replace(at, 1, "--");
  const fs::path model = hub_cache() / folder;
  std::error_code error;
  if (!fs::is_regular_file(model / "refs" / "main", error)) return {};
  std::string revision = read_file(model / "refs" / "main");
  while (!revision.empty() && std::isspace(static_cast<unsigned char>(revision.back()))) revision.pop_back();
  return model / "snapshots" / revision;
}

}  // namespace

fs::path find_config(const std::string& name) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return name;
  const fs::path shipped = configs_folder() / name;
  if (name.find('/') == std::string::npos && fs::is_regular_file(shipped, error)) return shipped;
  std::vector<std::string> names;
  std::string list;
  for (const ShippedConfig& config : list_configs()) {
    names.push_back(config.name);
    list += (list.empty() ? "" : ", ") + config.name;
  }
  throw UserError("--config " + name + ": no such file here, nor among the shipped configs {" + list + "}" + did_you_mean(name, names));
}

std::vector<ShippedConfig> list_configs() {
  std::vector<ShippedConfig> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(configs_folder(), error)) {
    if (entry.path().extension() != ".yaml") continue;
    LineReader reader(entry.path());
    std::string summary = reader.next().value_or("");
    summary.erase(0, summary.find_first_not_of("# "));
    out.push_back({entry.path().filename().string(), summary});
  }
  std::ranges::sort(out, {}, &ShippedConfig::name);
  return out;
}

fs::path find_model(const std::string& name) {
  if (is_model(name)) return name;
  std::error_code error;
  if (fs::exists(name, error)) {
    throw UserError("model.path: " + name + ": expected a Hugging Face directory with config.json" +
                    (fs::is_directory(name, error) ? ", got a folder without it" : ", got a file"));
  }
  if (is_model(models_folder() / name)) return models_folder() / name;
  if (const fs::path snapshot = cached_snapshot(name); !snapshot.empty() && is_model(snapshot)) return snapshot;
  throw UserError("model.path: " + name + ": neither a folder nor a model in the local Hugging Face cache (" + hub_cache().string() +
                  "); fetch it with: hf download " + name);
}

}  // namespace lait
