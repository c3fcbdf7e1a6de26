// Finds configs and models: in the working directory, in what was built or installed, in the
// Hugging Face cache.
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/read.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

bool is_file(const fs::path& path) {  // or a pipe: --config <(…)
  std::error_code error;
  return fs::exists(path, error) && !fs::is_directory(path, error);
}
bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}
bool is_model(const fs::path& dir) { return is_file(dir / "config.json"); }

// The folder above the program's: PREFIX for PREFIX/bin/lait-x, or the build folder.
fs::path program_prefix() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
}

// In the build folder this is a link to the source tree's.
fs::path configs_folder() {
  const fs::path configs = program_prefix() / "share" / "lait" / "configs";
  std::error_code error;
  const fs::path real = fs::canonical(configs, error);
  return error ? configs : real;
}

std::vector<fs::path> models_folders() {  // installed, of the build folder
  const fs::path prefix = program_prefix();
  return {prefix / "share" / "lait" / "models", prefix / "models"};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// The hub cache, found as huggingface_hub does.
fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto cache = environment(name); !cache.empty()) return cache;
  }
  if (const auto home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "hub";
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

constexpr char kModelsPrefix[] = "models--";

// models--org--name/refs/main names the snapshot. It is missing if a certain revision was fetched;
// then the snapshot is used if it is the only one. "" if there is none.
fs::path cached_snapshot(const std::string& name) {
  const fs::path model = hub_cache() / (kModelsPrefix + replace_all(name, "/", "--"));
  if (is_file(model / "refs" / "main")) {
    std::string revision = read_file(model / "refs" / "main");
    while (!revision.empty() && std::isspace(static_cast<unsigned char>(revision.back())))
      revision.pop_back();
    // A revision is one folder's name; anything else is a broken file.
    return revision.empty() || revision.find('/') != std::string::npos
               ? fs::path()
               : model / "snapshots" / revision;
  }
  std::vector<fs::path> snapshots;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(model / "snapshots", error))
    snapshots.push_back(entry.path());
  return snapshots.size() == 1 ? snapshots[0] : fs::path();
}

// Names of the models available: brought by set-up, and in the cache.
std::vector<std::string> model_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::path& folder : models_folders()) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (is_model(entry.path())) names.push_back(entry.path().filename().string());
    }
  }
  for (const auto& entry : fs::directory_iterator(hub_cache(), error)) {
    const std::string folder = entry.path().filename().string();
    if (folder.starts_with(kModelsPrefix))
      names.push_back(replace_all(folder.substr(sizeof(kModelsPrefix) - 1), "--", "/"));
  }
  std::ranges::sort(names);
  return names;
}

// The nearest available model. One that differs only in its owner comes first: bert-base-uncased,
// google-bert/bert-base-uncased.
std::string near_model(const std::string& name) {
  const std::vector<std::string> names = model_names();
  for (const std::string& known : names) {
    if (known != name && known.substr(known.rfind('/') + 1) == name.substr(name.rfind('/') + 1))
      return " (did you mean " + known + "?)";
  }
  return did_you_mean(name, names);
}

// Whether it is a path and not a model's name, which is NAME or OWNER/NAME.
bool looks_like_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with('.') || name.starts_with('~') ||
         name.ends_with('/') || std::ranges::count(name, '/') > 1;
}

}  // namespace

std::string tilde_hint(const std::string& path) {
  return path.starts_with('~') ? " (~ is not expanded here; write ${HOME})" : "";
}

fs::path find_config(const std::string& name, const std::string& given_with) {
  if (is_file(name)) return name;
  if (is_folder(name)) throw UserError(given_with + " " + name + ": expected a file, got a folder");
  const bool bare = !name.empty() && name.find('/') == std::string::npos;
  for (const std::string& file : {name, name + ".yaml"}) {
    if (bare && is_file(configs_folder() / file)) return configs_folder() / file;
  }
  std::vector<std::string> names;
  std::string list;
  for (const ShippedConfig& config : list_configs()) {
    names.push_back(config.name);
    list += (list.empty() ? "" : ", ") + config.name;
  }
  throw UserError(given_with + " " + name + ": no such file" +
                  (bare ? " here, nor among the shipped configs {" + list + "}" : "") +
                  did_you_mean(fs::path(name).filename().string(), names));
}

std::vector<ShippedConfig> list_configs() {
  std::vector<ShippedConfig> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(configs_folder(), error)) {
    if (entry.path().extension() != ".yaml" || !is_file(entry.path())) continue;
    std::string summary = LineReader(entry.path()).next().value_or("");
    summary = summary.starts_with('#')
                  ? summary.substr(std::min(summary.find_first_not_of("# "), summary.size()))
                  : "";
    out.push_back({entry.path().filename().string(), summary});
  }
  std::ranges::sort(out, {}, &ShippedConfig::name);
  return out;
}

fs::path find_model(const std::string& name, const std::string& given_with) {
  const std::string where = given_with + ": " + name;
  if (is_model(name)) return name;
  if (is_folder(name)) {
    throw UserError(
        where + ": expected a Hugging Face directory with config.json, got a folder without it");
  }
  if (is_file(name))
    throw UserError(where + ": expected a Hugging Face directory with config.json, got a file");
  if (looks_like_path(name)) {
    throw UserError(where +
                    ": no such directory; expected a Hugging Face directory with config.json, or a "
                    "model's name" +
                    tilde_hint(name));
  }
  if (name.find('/') == std::string::npos) {
    for (const fs::path& folder : models_folders()) {
      if (is_model(folder / name)) return folder / name;
    }
  }
  const fs::path snapshot = cached_snapshot(name);
  if (!snapshot.empty() && is_model(snapshot)) return snapshot;
  // The default model comes with set-up; on the hub its name has an owner.
  const std::string fetch =
      name == "all-MiniLM-L6-v2" ? "make setup (in the source tree)" : "hf download " + name;
  if (!snapshot.empty()) {
    throw UserError(where + ": " + snapshot.string() +
                    " has no config.json; fetch the model again: " + fetch);
  }
  throw UserError(where + ": neither a directory nor a model in the local Hugging Face cache (" +
                  hub_cache().string() + "); fetch it with: " + fetch + near_model(name));
}

}  // namespace lait
