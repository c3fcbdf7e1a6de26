#include "lait/model/checkpoint_tensors.h"

#include <algorithm>
#include <set>

#include "lait/error.h"
#include "lait/model/json_limits.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr size_t kMaxListed = 20;

bool replace_end(std::string& text, std::string_view from, std::string_view to) {
  if (!text.ends_with(from)) return false;
  text.replace(text.size() - from.size(), from.size(), to);
  return true;
}

std::string canonical(std::string name, bool bare) {
  if (bare) name = "bert." + name;
  if (!replace_end(name, "LayerNorm.gamma", "LayerNorm.weight")) replace_end(name, "LayerNorm.beta", "LayerNorm.bias");
  return name;
}

bool ignorable(const std::string& name) {
  return name.starts_with("cls.") || name.starts_with("bert.cls.") || name.starts_with("classifier.") ||
         name.starts_with("bert.pooler.") || name == "bert.embeddings.position_ids";
}

std::vector<std::string> shard_names(const fs::path& index) {
  const nlohmann::json json = parse_json(read_file(index), index.string());
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    throw UserError(index.string() + ": expected weight_map, a JSON object of tensor names and files");
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    // A shard lies beside its index: no paths.
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos) {
      throw UserError(index.string() + ": expected a file name for tensor '" + tensor + "'");
    }
    names.insert(file.get<std::string>());
  }
  return {names.begin(), names.end()};
}

}  // namespace

CheckpointTensors::CheckpointTensors(const fs::path& dir) : dir_(dir) {
  if (fs::exists(dir / kFile)) {
    files_.emplace_back(dir / kFile);
  } else if (fs::exists(dir / kIndex)) {
    for (const std::string& name : shard_names(dir / kIndex)) files_.emplace_back(dir / name);
  } else if (fs::exists(dir / "pytorch_model.bin")) {
    throw UserError(dir.string() + ": expected model.safetensors, got pytorch_model.bin (pickle can run code and is not read); convert it: "
                    "python -c \"from transformers import AutoModel; AutoModel.from_pretrained('" + dir.string() + "').save_pretrained('" + dir.string() + "')\"");
  } else {
    throw UserError(dir.string() + ": expected model.safetensors or model.safetensors.index.json, got neither");
  }
  for (size_t f = 0; f < files_.size(); ++f) add(files_[f], f);
}

void CheckpointTensors::add(const SafetensorsFile& file, size_t index) {
  const bool bare = std::ranges::any_of(files_, [](const SafetensorsFile& f) {
    return std::ranges::any_of(f.tensors(), [](const TensorInfo& t) { return t.name.starts_with("embeddings.") || t.name.starts_with("encoder."); });
  });
  for (const TensorInfo& info : file.tensors()) {
    const std::string name = canonical(info.name, bare);
    if (!tensors_.emplace(name, Place{index, info.name}).second) {
      throw UserError(file.path().string() + ": tensor '" + info.name + "' stands in the checkpoint twice");
    }
  }
}

std::vector<std::string> CheckpointTensors::names() const {
  std::vector<std::string> out;
  for (const auto& [name, place] : tensors_) out.push_back(name);
  return out;
}

at::Tensor CheckpointTensors::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw UserError(dir_.string() + ": there is no tensor '" + name + "'");
  return files_[found->second.file].tensor(found->second.name);
}

void load_into(const CheckpointTensors& tensors, const std::vector<ExpectedTensor>& expected) {
  std::vector<std::string> problems;
  std::set<std::string> known;
  for (const ExpectedTensor& e : expected) {
    known.insert(e.name);
    if (!tensors.has(e.name)) {
      if (e.required) problems.push_back("missing: " + e.name);
      continue;
    }
    const at::Tensor source = tensors.tensor(e.name);
    if (source.sizes() != e.destination.sizes()) {
      std::ostringstream text;
      text << "shape of " << e.name << ": expected " << e.destination.sizes() << ", got " << source.sizes();
      problems.push_back(text.str());
    } else if (!at::isFloatingType(source.scalar_type())) {
      problems.push_back("dtype of " + e.name + ": expected floating point, got " + std::string(c10::toString(source.scalar_type())));
    }
  }
  for (const std::string& name : tensors.names()) {
    if (!known.contains(name) && !ignorable(name)) problems.push_back("unexpected: " + name);
  }
  if (!problems.empty()) {
    std::string text = tensors.dir().string() + ": the weights do not fit config.json:";
    for (size_t i = 0; i < std::min(problems.size(), kMaxListed); ++i) text += "\n  " + problems[i];
    if (problems.size() > kMaxListed) text += "\n  and " + std::to_string(problems.size() - kMaxListed) + " more";
    throw UserError(text);
  }
  at::NoGradGuard no_grad;
  for (const ExpectedTensor& e : expected) {
    if (tensors.has(e.name)) at::Tensor(e.destination).copy_(tensors.tensor(e.name));
  }
}

}  // namespace lait
